import type { z } from 'zod';
import type { InterfaceName } from '../interfaces';
import { markerOf } from './markers';
import { joinPath, type ConfigTree } from './merge';
import { isObject } from '../util/objects';

export type Schema = z.core.$ZodType;

/** The parts of zod's definitions that are walked. */
interface Definition {
  readonly type: string;
  readonly innerType?: Schema;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly catchall?: Schema;
  readonly element?: Schema;
  readonly valueType?: Schema;
  readonly options?: readonly Schema[];
  readonly in?: Schema;
  readonly out?: Schema;
  readonly left?: Schema;
  readonly right?: Schema;
  readonly items?: readonly Schema[];
  readonly rest?: Schema | null;
  readonly getter?: () => Schema;
}

export const definitionOf = (schema: Schema): Definition => schema._zod.def;

/** The inner schema of a wrapper (`optional`, `default`, a transform, …); undefined for other schemas. */
function unwrap(definition: Definition): Schema | undefined {
  // `preprocess` has the schema after the transform, `transform` before it.
  if (definition.type === 'pipe')
    return definitionOf(definition.in!).type === 'transform' ? definition.out : definition.in;
  if (definition.type === 'lazy') return definition.getter!();
  return definition.innerType;
}

/** The replacement of a marked value. */
export interface Visitor {
  path(value: unknown, at: string): unknown;
  component(interface_: InterfaceName, value: unknown, at: string): unknown;
  /** Default: unchanged. */
  secret?(value: unknown, at: string): unknown;
}

/**
 * Walks a value along its schema, visits marked values, and returns the value with the visitor's replacements; changed
 * parts are copied.
 */
export function walk(schema: Schema, value: unknown, at: string, visitor: Visitor): unknown {
  const marker = markerOf(schema);
  if (marker?.kind === 'path') return visitor.path(value, at);
  if (marker?.kind === 'secret') return visitor.secret ? visitor.secret(value, at) : value;
  if (marker?.kind === 'component') return value === undefined ? value : visitor.component(marker.interface, value, at);
  const definition = definitionOf(schema);
  const inner = unwrap(definition);
  if (inner) return walk(inner, value, at, visitor);
  const each = (item: unknown, key: string | number, own: Schema | null | undefined): unknown =>
    own ? walk(own, item, joinPath(at, key), visitor) : item;
  const eachKey = (object: ConfigTree, schemaOf: (key: string) => Schema | undefined): ConfigTree =>
    Object.fromEntries(Object.entries(object).map(([key, item]) => [key, each(item, key, schemaOf(key))]));
  switch (definition.type) {
    case 'object':
      return isObject(value)
        ? eachKey(value, (key) =>
            Object.hasOwn(definition.shape!, key) ? definition.shape![key] : definition.catchall,
          )
        : value;
    case 'record':
      return isObject(value) ? eachKey(value, () => definition.valueType) : value;
    case 'array':
      return Array.isArray(value) ? value.map((item, i) => each(item, i, definition.element)) : value;
    case 'tuple':
      return Array.isArray(value)
        ? value.map((item, i) => each(item, i, definition.items![i] ?? definition.rest))
        : value;
    case 'intersection':
      return walk(definition.right!, walk(definition.left!, value, at, visitor), at, visitor);
    case 'union': {
      // The alternative that zod will choose; if it accepts none, each may have marks for values of its shape.
      const taken = definition.options!.find((option) => accepts(option, value));
      if (taken) return walk(taken, value, at, visitor);
      return definition.options!.reduce((changed, option) => walk(option, changed, at, visitor), value);
    }
    default:
      return value;
  }
}

function accepts(schema: Schema, value: unknown): boolean {
  try {
    return (schema as z.ZodType).safeParse(value).success;
  } catch {
    return false; // An asynchronous check; parsing the whole config reports it.
  }
}

/** Keys that the objects at a path may have, by the schema; for suggestions. `sectionOf` finds the schema of a component. */
export function keysAt(
  schema: Schema,
  value: unknown,
  path: readonly PropertyKey[],
  sectionOf: (interface_: InterfaceName, value: unknown) => Schema | undefined,
): string[] {
  const marker = markerOf(schema);
  if (marker?.kind === 'component') {
    const section = sectionOf(marker.interface, value);
    const keys = section ? keysAt(section, value, path, sectionOf) : [];
    return path.length === 0 ? ['use', ...keys] : keys;
  }
  const definition = definitionOf(schema);
  const inner = unwrap(definition);
  if (inner) return keysAt(inner, value, path, sectionOf);
  const parts = definition.options ?? (definition.left ? [definition.left, definition.right!] : undefined);
  if (parts) return [...new Set(parts.flatMap((part) => keysAt(part, value, path, sectionOf)))];
  if (path.length === 0) return Object.keys(definition.shape ?? {});
  const key = String(path[0]);
  const next = definition.shape?.[key] ?? definition.element ?? definition.valueType ?? definition.items?.[Number(key)];
  if (!next) return [];
  return keysAt(next, (value as ConfigTree | undefined)?.[key], path.slice(1), sectionOf);
}

/** Keys of a schema whose values are secrets, alone or in lists, records and alternatives. */
export function secretKeys(schema: Schema): string[] {
  const found = new Set<string>();
  const seen = new Map<Schema, boolean>();
  const holdsSecret = (at: Schema | null | undefined): boolean => {
    if (!at) return false;
    const known = seen.get(at);
    if (known !== undefined) return known;
    const marker = markerOf(at);
    if (marker) return marker.kind === 'secret';
    seen.set(at, false); // A schema may contain itself.
    const definition = definitionOf(at);
    for (const [key, part] of Object.entries(definition.shape ?? {})) if (holdsSecret(part)) found.add(key);
    const { element, valueType, catchall, rest, left, right, options = [], items = [] } = definition;
    const parts = [unwrap(definition), element, valueType, catchall, rest, left, right, ...options, ...items];
    const holds = parts.filter((part) => holdsSecret(part)).length > 0;
    seen.set(at, holds);
    return holds;
  };
  holdsSecret(schema);
  return [...found];
}
