import { escapedUnit, loneSurrogate } from '@graft/checkpoint/internal';
import type { Schema, Type } from 'js-yaml';

/** Loaded with the first YAML: importing Graft must not cost that. */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
export const loadJsYaml = (): typeof import('js-yaml') => require('js-yaml') as typeof import('js-yaml');

let coreSchema: Schema | undefined;

/** YAML's core types and `<<`. Without dates: `name: 2024-01-01` is a string, as in JSON. */
function schema(): Schema {
  const { CORE_SCHEMA, Type } = loadJsYaml();
  const isMerge = (data: unknown): boolean => data === '<<';
  coreSchema ??= CORE_SCHEMA.extend({
    implicit: [new Type('tag:yaml.org,2002:merge', { kind: 'scalar', resolve: isMerge })],
  });
  return coreSchema;
}

/** Maximum number of values from aliases, in addition to ten for each written value. */
const ALIASED_VALUES = 10_000;

/**
 * Throws an error whose first line states the problem and its position: js-yaml's exception, or a problem that it
 * accepts but later code cannot handle: an alias inside its own anchor, aliases of aliases that multiply, half of a
 * surrogate pair. `types`: of plain scalars, in addition to YAML's.
 */
export function parseYaml(text: string, types: readonly Type[] = []): unknown {
  /** The lines of anchors by their values. */
  const anchors = new Map<object, { readonly name: string; readonly line: number }>();
  const lines: number[] = [];
  const value = loadJsYaml().load(text, {
    schema: types.length === 0 ? schema() : schema().extend({ implicit: [...types] }),
    listener: (event, state) => {
      // js-yaml does not expose the anchor; its line is that of the value's beginning, or the one before.
      const { anchor, result, line } = state as unknown as { anchor: string | null; result: unknown; line: number };
      if (event === 'open') return void lines.push(line);
      const begin = lines.pop()!;
      if (anchor === null || typeof result !== 'object' || result === null || anchors.has(result)) return;
      anchors.set(result, { name: anchor, line: lineOf(text, anchor, begin) });
    },
  });
  checkTree(value, (at) => {
    const anchor = anchors.get(at);
    return anchor ? `the anchor "${anchor.name}" (line ${anchor.line})` : 'a value';
  });
  return value;
}

/** What YAML makes of one plain word: a number, a boolean, null, or the text itself. */
export function parseYamlScalar(text: string): unknown {
  if (text.trim() === '' || text !== text.trim()) return text;
  try {
    const value = loadJsYaml().load(text, { schema: schema() });
    return typeof value === 'object' && value !== null ? text : value;
  } catch {
    return text;
  }
}

/**
 * js-yaml's message without quotations from the file: a secret that begins with `*` or `!` reads as an alias or a tag.
 *
 *     withoutValues('unidentified alias "pw1" (1:8)')   ->   'unidentified alias … (1:8)'
 */
export function withoutValues(message: string): string {
  return message
    .replace(/(alias|handle) "[^"]*"/g, '$1 …')
    .replace(/!<[^>]*>/g, '…')
    .replace(/(characters|malformed): .*?(?= \(\d+:\d+\)$|$)/, '$1: …');
}

/** Counts from 1. `from`: the line where the search begins, from 0. */
function lineOf(text: string, anchor: string, from: number): number {
  const lines = text.split(/\r\n|\r|\n/);
  const found = lines.findIndex((line, i) => i >= from && line.includes(`&${anchor}`));
  return (found < 0 ? from : found) + 1;
}

/** `describe`: the name of a list or object in messages. */
function checkTree(root: unknown, describe: (at: object) => string): void {
  /** Number of values in each list or object, with aliased values counted every time. */
  const sizes = new Map<object, number>();
  const around = new Set<object>();
  let written = 0;
  const sizeOf = (at: unknown): number => {
    if (typeof at === 'string') checkText(at);
    if (typeof at !== 'object' || at === null) return 1;
    const known = sizes.get(at);
    if (known !== undefined) return known;
    if (around.has(at)) throw new Error(`${describe(at)} holds itself`);
    around.add(at);
    let size = 1;
    for (const [key, inner] of Object.entries(at)) {
      checkText(key);
      // js-yaml converts every key to a string; an object becomes this.
      if (key.includes('[object Object]')) throw new Error('a key is an object; expected a text');
      written++;
      size += sizeOf(inner);
    }
    around.delete(at);
    if (size > ALIASED_VALUES + 10 * written)
      throw new Error(`${describe(at)} stands for ${size} values: aliases of aliases multiply them`);
    sizes.set(at, size);
    return size;
  };
  sizeOf(root);
}

function checkText(text: string): void {
  const half = loneSurrogate(text);
  if (half === undefined) return;
  throw new Error(`${escapedUnit(half)} is half of a surrogate pair, not a character`);
}
