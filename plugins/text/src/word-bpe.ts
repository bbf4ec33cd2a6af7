import { byteToken } from './bytes';

/** The `model` of a tokenizer.json, as far as BPE needs it. */
export interface BpeModel {
  readonly type?: string;
  /** Pairs, or texts with a space between the two. */
  readonly merges?: readonly (string | readonly string[])[];
  readonly vocab?: Readonly<Record<string, number>>;
  readonly byte_fallback?: boolean;
  readonly fuse_unk?: boolean;
  readonly ignore_merges?: boolean;
  readonly end_of_word_suffix?: string | null;
  readonly continuing_subword_prefix?: string | null;
  readonly continuing_subword_suffix?: string | null;
}

/** Whether words are merged from their characters alone, nothing being added to them or looked up as a whole. */
export function isPlainBpe(model: BpeModel): boolean {
  const { ignore_merges, end_of_word_suffix, continuing_subword_prefix, continuing_subword_suffix } = model;
  return !(ignore_merges || end_of_word_suffix || continuing_subword_prefix || continuing_subword_suffix);
}

export function splitMerge(merge: string | readonly string[]): readonly string[] {
  return typeof merge === 'string' ? merge.split(' ', 2) : merge;
}

/** Ids of the tokens of the bytes, by byte; undefined unless there are all of them. */
export function byteIds({ byte_fallback, vocab = {} }: BpeModel): readonly number[] | undefined {
  if (!byte_fallback) return undefined;
  const ids = Array.from({ length: 256 }, (_, byte) => {
    const token = byteToken(byte);
    return Object.hasOwn(vocab, token) ? vocab[token] : -1;
  });
  return ids.includes(-1) ? undefined : ids;
}

/** Pairs of ids with a number each: a hash table in plain arrays, for half a million merges. */
class PairTable {
  private readonly mask: number;
  /** Left and right id and the value plus one, of each place; 0 where it is free. */
  private readonly places: Int32Array;

  constructor(size: number) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * size + 2));
    this.mask = capacity - 1;
    this.places = new Int32Array(3 * capacity);
  }

  set(left: number, right: number, value: number): void {
    const at = this.find(left, right);
    this.places.set([left, right, value + 1], at);
  }

  /** -1: not there. */
  get(left: number, right: number): number {
    return this.places[this.find(left, right) + 2] - 1;
  }

  private find(left: number, right: number): number {
    const { places, mask } = this;
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & mask;
    for (;;) {
      const at = 3 * slot;
      if (places[at + 2] === 0 || (places[at] === left && places[at + 1] === right)) return at;
      slot = (slot + 1) & mask;
    }
  }
}

const NONE = -1;
/** Merging takes a time that grows with the square of a word's length. */
const LONGEST = 128;

/**
 * Merges a word's characters by rank. Undefined for a model that is more than that; the function it gives returns undefined
 * for a word that it should not encode: one that is very long, or has characters that only an unknown token stands for.
 *
 *     merges a b, ab c   ->   abcab: [abc, ab]
 */
export function createWordBpe(
  model: BpeModel,
  idOf: (token: string) => number | undefined,
): ((word: string) => number[] | undefined) | undefined {
  const { merges = [] } = model;
  if (!isPlainBpe(model)) return undefined;
  const bytes = byteIds(model);
  const ranks = new PairTable(merges.length);
  const mergedOf = new Int32Array(merges.length);
  for (const [rank, merge] of merges.entries()) {
    const [left, right] = splitMerge(merge);
    const [leftId, rightId, mergedId] = [idOf(left), idOf(right), idOf(left + right)];
    if (leftId === undefined || rightId === undefined || mergedId === undefined) return undefined;
    ranks.set(leftId, rightId, rank);
    mergedOf[rank] = mergedId;
  }
  const rankAt = (ids: readonly number[], at: number): number =>
    at + 1 < ids.length ? ranks.get(ids[at], ids[at + 1]) : NONE;
  const encoder = new TextEncoder();

  return (word) => {
    if (word.length > LONGEST) return undefined;
    const ids: number[] = [];
    for (const character of word) {
      const id = idOf(character);
      if (id !== undefined) ids.push(id);
      else if (bytes) for (const byte of encoder.encode(character)) ids.push(bytes[byte]);
      else return undefined;
    }
    const rankOf = ids.map((_, at) => rankAt(ids, at));
    for (;;) {
      let best = NONE;
      for (let at = 0; at < rankOf.length; at++)
        if (rankOf[at] !== NONE && (best === NONE || rankOf[at] < rankOf[best])) best = at;
      if (best === NONE) return ids;
      ids[best] = mergedOf[rankOf[best]];
      ids.splice(best + 1, 1);
      rankOf.splice(best + 1, 1);
      rankOf[best] = rankAt(ids, best);
      if (best > 0) rankOf[best - 1] = rankAt(ids, best - 1);
    }
  };
}
