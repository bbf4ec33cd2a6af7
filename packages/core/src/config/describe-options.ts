import type { z } from 'zod';
import { INTERFACES } from '../interfaces';
import { isObject } from '../util/objects';
import { MARK, schemaOf, type JsonSchema } from './json-schema';
import { EngineSection, EvaluatorKeys, PlainSections } from './schema';

/** An option in words. */
export interface OptionDescription {
  /** Where it is, as in `denoisers[].rate`: `[]` stands for each item of a list, `.*` for each key of an object. */
  readonly path: string;
  /** As in `number`, `list of texts`, `half | random`, `path`, `secret`, `tokenizer` (a component). */
  readonly type: string;
  /** As in `at least 0, less than 1`. Undefined: any value of the type. */
  readonly range?: string;
  /** Whether it has neither a default nor may be left out. */
  readonly required: boolean;
  /** The default of the schema. Undefined: it has none; the sentence may say what is then done. */
  readonly default?: unknown;
  /** One sentence or several; empty if the schema has none. */
  readonly description: string;
}

/** The options of a schema in its order, each before those within it. */
export function describeOptions(schema: z.ZodType): OptionDescription[] {
  return optionsOf(schemaOf(schema, { marks: true }), '');
}

/** Core's own sections of a config, by their names, as `describeOptions` gives those of components. */
export function describeSections(): ReadonlyMap<string, readonly OptionDescription[]> {
  return new Map([
    ['engine', describeOptions(EngineSection)],
    ['specialTokens', describeOptions(PlainSections.specialTokens)],
    ['train', describeOptions(PlainSections.train)],
    ['evaluators', describeOptions(EvaluatorKeys)],
  ]);
}

const list = (value: unknown): readonly JsonSchema[] => (Array.isArray(value) ? (value as JsonSchema[]) : []);

function optionsOf(node: JsonSchema, path: string): OptionDescription[] {
  if (node[MARK] === 'secret') return [];
  const found: OptionDescription[] = [];
  const required = list(node.required) as unknown as readonly string[];
  for (const [key, child] of Object.entries((node.properties ?? {}) as Record<string, JsonSchema>)) {
    const at = path === '' ? key : `${path}.${key}`;
    found.push({
      path: at,
      type: typeOf(child),
      ...withValue('range', rangeOf(child)),
      required: required.includes(key),
      ...withValue('default', child.default),
      description: sentence(typeof child.description === 'string' ? child.description : ''),
    });
    found.push(...optionsOf(child, at));
  }
  if (isObject(node.items)) found.push(...optionsOf(node.items, `${path}[]`));
  if (isObject(node.additionalProperties)) found.push(...optionsOf(node.additionalProperties, `${path}.*`));
  for (const branch of [...list(node.anyOf), ...list(node.oneOf), ...list(node.allOf)])
    found.push(...optionsOf(branch, path));
  return found;
}

const withValue = <K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> =>
  value === undefined ? {} : ({ [key]: value } as Record<K, V>);

const NAMES: Readonly<Record<string, string>> = { string: 'text', integer: 'whole number', boolean: 'true | false' };

function typeOf(node: JsonSchema): string {
  if (typeof node[MARK] === 'string') return node[MARK];
  const component = INTERFACES.find((name) => node.$ref === `#/$defs/${name}`);
  if (component) return component;
  if ('const' in node) return shown(node.const);
  if (Array.isArray(node.enum)) return node.enum.map(shown).join(' | ');
  const branches = [...list(node.anyOf), ...list(node.oneOf)];
  if (branches.length > 0) return [...new Set(branches.map(typeOf))].join(' | ');
  if (Array.isArray(node.prefixItems)) return `[${list(node.prefixItems).map(typeOf).join(', ')}]`;
  if (node.type === 'array') return `list of ${isObject(node.items) ? several(typeOf(node.items)) : 'anything'}`;
  if (Array.isArray(node.type)) return node.type.map((type) => NAMES[String(type)] ?? String(type)).join(' | ');
  return typeof node.type === 'string' ? (NAMES[node.type] ?? node.type) : 'anything';
}

/** The items of a list: `numbers`, but `(half | random)`. */
function several(type: string): string {
  if (type.includes(' | ')) return `(${type})`;
  return /^[a-z ]+$/.test(type) && type !== 'anything' ? `${type}s` : type;
}

/** A single word is written as in YAML; anything else as JSON. */
const shown = (value: unknown): string =>
  typeof value === 'string' && /^[\w./-]+$/.test(value) ? value : JSON.stringify(value);

function rangeOf(node: JsonSchema): string | undefined {
  const own = boundsOf(node);
  if (own !== undefined) return own;
  const branches = [...list(node.anyOf), ...list(node.prefixItems), ...(isObject(node.items) ? [node.items] : [])];
  const inner = [...new Set(branches.map(rangeOf).filter((range) => range !== undefined))];
  return inner.length === 1 ? inner[0] : undefined;
}

function boundsOf(node: JsonSchema): string | undefined {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf, minItems } = node;
  const isBound = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value * 2);
  const parts = [
    // zod writes the bounds of safe integers into every whole number.
    typeof minimum === 'number' && (isBound(minimum) || !Number.isInteger(minimum)) && `at least ${minimum}`,
    typeof exclusiveMinimum === 'number' && `more than ${exclusiveMinimum}`,
    typeof maximum === 'number' && (isBound(maximum) || !Number.isInteger(maximum)) && `at most ${maximum}`,
    typeof exclusiveMaximum === 'number' && `less than ${exclusiveMaximum}`,
    typeof multipleOf === 'number' && `a multiple of ${multipleOf}`,
    typeof minItems === 'number' &&
      !Array.isArray(node.prefixItems) &&
      `at least ${minItems} items`.replace(/\b1 items/, '1 item'),
  ].filter((part) => part !== false);
  return parts.length > 0 ? parts.join(', ') : undefined;
}

/** A clause of a schema as a sentence; one that begins with a value stays as it is. */
function sentence(text: string): string {
  if (text === '') return '';
  const whole = /^[a-z][a-z-]*[ ,]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
