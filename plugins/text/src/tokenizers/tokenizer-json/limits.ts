/**
 * Limits on a tokenizer.json, which may come from anywhere; the numbers of the largest published files are given for
 * comparison.
 */
import { shortened } from '@graft/core/internal';
import { Excessive, listOf, Unsupported, type Part } from './unsupported';

/** Of the file: 64 MiB, while Gemma 3's has 32; and its objects, lists and keys, of which Gemma 3's has 840,000. */
export const TOKENIZER_BOUNDS = { maxBytes: 2 ** 26, maxParts: 2 ** 22 } as const;

/** Of a vocabulary; Gemma 3 has 262,144. */
export const MAX_TOKENS = 2 ** 21;
/** Ids are indices of a table, even if few of them are used. */
export const MAX_TOKEN_ID = 2 ** 22;
/** Gemma 2 has 580,604. */
export const MAX_MERGES = 2 ** 21;
/**
 * UTF-16 units of a token, or of a text that a component inserts; the longest published ones are a few hundred spaces.
 */
export const MAX_TOKEN_CHARACTERS = 4096;
/**
 * Branches of a tree over the characters of all tokens of a kind, about 250 bytes each; Gemma 3's 262,144 tokens take
 * 460,910.
 */
export const MAX_BRANCHES = 2 ** 20;
/** Depth and total number of a pipeline's steps; published ones have two and about ten. */
const MAX_COMPONENT_DEPTH = 16;
const MAX_COMPONENTS = 1000;
/** Byte-level steps in total; each may make two characters of one. Published pipelines have one. */
const MAX_BYTE_LEVELS = 4;
/**
 * How much longer a text may become by its normalizer, or tokens by their decoder; published ones make three characters
 * of one.
 */
const MAX_GROWTH = 32;
const FREE_GROWTH = 4 * MAX_TOKEN_CHARACTERS;

/** Throws Unsupported for a text of the file that is longer than a token may be. */
export function checkToken(text: string, where: string): void {
  if (text.length <= MAX_TOKEN_CHARACTERS) return;
  throw new Unsupported(
    where,
    `${shortened(JSON.stringify(text), 40)} has ${text.length} characters; Graft takes at most ${MAX_TOKEN_CHARACTERS}`,
  );
}

/** Throws Unsupported for an id beyond every vocabulary. */
export function checkTokenId(id: number, token: string, where: string): void {
  if (Number.isInteger(id) && id >= 0 && id < MAX_TOKEN_ID) return;
  const expected = `a whole number from 0 to ${MAX_TOKEN_ID - 1}`;
  throw new Unsupported(
    where,
    `the id of ${shortened(JSON.stringify(token), 40)} is ${shortened(JSON.stringify(id) ?? 'nothing', 40)}, expected ${expected}`,
  );
}

export function checkCount(count: number, most: number, what: string, where: string): void {
  if (count <= most) return;
  throw new Unsupported(
    where,
    `it has ${count.toLocaleString('en')} ${what}; Graft takes at most ${most.toLocaleString('en')}`,
  );
}

/** Counts branches as a tree grows. */
export class BranchCount {
  private branches = 0;

  constructor(private readonly where: string) {}

  add(): void {
    if (++this.branches > MAX_BRANCHES)
      throw new Unsupported(
        this.where,
        `its tokens have more than ${MAX_BRANCHES.toLocaleString('en')} different beginnings`,
      );
  }
}

const MEMBERS = ['normalizers', 'pretokenizers', 'decoders'] as const;

/** Throws Unsupported for steps that are nested too deeply, and for too many of them. */
export function checkComponents(file: Part): void {
  let components = 0;
  let byteLevels = 0;
  const walk = (value: unknown, where: string, depth: number): void => {
    if (typeof value !== 'object' || value === null) return;
    if (depth > MAX_COMPONENT_DEPTH)
      throw new Unsupported(where, `it has more than ${MAX_COMPONENT_DEPTH} Sequences within each other`);
    checkCount(++components, MAX_COMPONENTS, 'steps', where);
    const part = value as Part;
    if (part.type === 'ByteLevel' && where !== 'decoder')
      checkCount(++byteLevels, MAX_BYTE_LEVELS, 'ByteLevel steps', where);
    for (const key of ['content', 'prepend', 'replacement', 'prefix', 'suffix', 'delimiter'])
      if (typeof part[key] === 'string') checkToken(part[key], where);
    const { String: text } = (part.pattern ?? {}) as { String?: unknown };
    if (typeof text === 'string') checkToken(text, where);
    if (part.type !== 'Sequence') return;
    for (const key of MEMBERS)
      if (part[key] !== undefined) for (const member of listOf(part[key], where)) walk(member, where, depth + 1);
  };
  for (const key of ['normalizer', 'pre_tokenizer', 'decoder']) walk(file[key], key, 1);
}

/** Throws Excessive if `before` characters have become `after` ones, or are about to. */
export function checkGrowth(before: number, after: number, where: string): void {
  if (after <= FREE_GROWTH + MAX_GROWTH * before) return;
  throw new Excessive(
    `its ${where} makes more than ${MAX_GROWTH} characters of each of a text, ${after.toLocaleString('en')} of ${before.toLocaleString('en')}`,
  );
}
