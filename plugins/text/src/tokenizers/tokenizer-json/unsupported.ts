import { isObject, shortened } from '@graft/core/internal';

/** A part of a tokenizer.json that cannot be followed exactly. The caller that opens the file adds its name. */
export class Unsupported extends Error {
  constructor(
    /** Such as `pre_tokenizer Split`. */
    readonly part: string,
    readonly reason: string,
  ) {
    super(`its ${part} is not supported: ${reason}`);
  }
}

/** The file would need more work on a text than its limits allow. */
export class Excessive extends Error {}

/** A component of the file: an object with a type. */
export type Part = Readonly<Record<string, unknown>> & { readonly type?: unknown };

export function partOf(value: unknown, where: string): Part {
  if (isObject(value)) return value as Part;
  throw new Unsupported(where, `expected an object, found ${shortened(JSON.stringify(value) ?? 'nothing', 40)}`);
}

/** The type as spelled in the file, for errors. */
export const typeName = (type: unknown): string =>
  typeof type === 'string' ? shortened(type, 40) : `of the type ${shortened(JSON.stringify(type) ?? 'nothing', 40)}`;

export function listOf(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Unsupported(where, 'expected a list');
}

/** A key that must have one of these types; undefined if the file omits it or has null. */
export function optional(part: Part, key: string, type: 'string', where: string): string | undefined;
export function optional(part: Part, key: string, type: 'boolean', where: string): boolean | undefined;
export function optional(part: Part, key: string, type: 'number', where: string): number | undefined;
export function optional(part: Part, key: string, type: string, where: string): unknown {
  const value = part[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === type) return value;
  throw new Unsupported(where, `${key} should be a ${type}, found ${shortened(JSON.stringify(value), 40)}`);
}

export function required(part: Part, key: string, type: 'string', where: string): string;
export function required(part: Part, key: string, type: 'boolean', where: string): boolean;
export function required(part: Part, key: string, type: 'number', where: string): number;
export function required(part: Part, key: string, type: string, where: string): unknown {
  const value: unknown = optional(part, key, type as 'string', where);
  if (value === undefined) throw new Unsupported(where, `it lacks "${key}"`);
  return value;
}
