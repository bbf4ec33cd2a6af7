import { shortened } from '@graft/core/internal';
import { byteToken } from '../bytes';
import { checkCount, checkToken, checkTokenId, MAX_MERGES, MAX_TOKENS } from './limits';
import { PairTable } from './pair-table';
import { listOf, optional, partOf, Unsupported, type Part } from './unsupported';

const WHERE = 'model BPE';
/** Below this length all pairs are examined for each merge, in a time that grows with the square of the length. */
const LONG = 96;
const NONE = -1;
const encoder = new TextEncoder();

export type Vocabulary = ReadonlyMap<string, number>;

export function readVocabulary(part: Part, where: string): Map<string, number> {
  const vocabulary = new Map(Object.entries(partOf(part.vocab, `${where} vocabulary`)));
  checkCount(vocabulary.size, MAX_TOKENS, 'tokens', where);
  const taken = new Map<number, string>();
  for (const [token, id] of vocabulary as Map<string, number>) {
    checkToken(token, where);
    checkTokenId(id, token, where);
    const twin = taken.get(id);
    if (twin !== undefined)
      throw new Unsupported(where, `${JSON.stringify(twin)} and ${JSON.stringify(token)} have the same id, ${id}`);
    taken.set(id, token);
  }
  return vocabulary as Map<string, number>;
}

function readMerges(value: unknown): (readonly [string, string])[] {
  // The first line of old lists of merges is a header.
  const merges = listOf(value, WHERE).filter((merge) => typeof merge !== 'string' || !merge.startsWith('#version'));
  checkCount(merges.length, MAX_MERGES, 'merges', WHERE);
  return merges.map((merge) => {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (Array.isArray(pair) && pair.length === 2 && pair.every((token) => typeof token === 'string'))
      return pair as unknown as [string, string];
    throw new Unsupported(WHERE, `a merge should be two tokens, found ${shortened(JSON.stringify(merge), 60)}`);
  });
}

/** Byte-pair encoding: the symbols of a word, merged by rank. */
export class Bpe {
  readonly vocabulary: Map<string, number>;
  readonly unknownToken: string | undefined;
  /** Pairs of tokens that are merged, by rank. */
  readonly merges: readonly (readonly [string, string])[];
  /** Whether words are merged only from their characters, with nothing added and no lookup of whole words. */
  readonly isPlain: boolean;
  private readonly unknown: number;
  private readonly fusesUnknown: boolean;
  private readonly wholeWords: boolean;
  private readonly prefix: string;
  private readonly suffix: string;
  /** Ids of the bytes' tokens; -1 if there is none. Undefined without `byte_fallback`. */
  private readonly bytes: readonly number[] | undefined;
  private readonly ranks: PairTable;
  private readonly mergedOf: Int32Array;

  constructor(part: Part) {
    this.vocabulary = readVocabulary(part, WHERE);
    if ((optional(part, 'dropout', 'number', WHERE) ?? 0) !== 0)
      throw new Unsupported(WHERE, 'its dropout draws tokens at random');
    if (optional(part, 'continuing_subword_suffix', 'string', WHERE))
      throw new Unsupported(WHERE, 'the published library does not know continuing_subword_suffix');
    this.unknownToken = optional(part, 'unk_token', 'string', WHERE);
    const unknown = this.unknownToken === undefined ? NONE : this.vocabulary.get(this.unknownToken);
    if (unknown === undefined)
      throw new Unsupported(WHERE, `its unk_token ${JSON.stringify(this.unknownToken)} is not in the vocabulary`);
    this.unknown = unknown;
    this.fusesUnknown = optional(part, 'fuse_unk', 'boolean', WHERE) ?? false;
    this.wholeWords = optional(part, 'ignore_merges', 'boolean', WHERE) ?? false;
    this.prefix = optional(part, 'continuing_subword_prefix', 'string', WHERE) ?? '';
    this.suffix = optional(part, 'end_of_word_suffix', 'string', WHERE) ?? '';
    for (const text of [this.prefix, this.suffix]) checkToken(text, WHERE);
    const byteIds = Array.from({ length: 256 }, (_, byte) => this.vocabulary.get(byteToken(byte)) ?? NONE);
    const fallsBack = optional(part, 'byte_fallback', 'boolean', WHERE) ?? false;
    this.bytes = fallsBack ? byteIds : undefined;
    this.merges = readMerges(part.merges);
    this.ranks = new PairTable(this.merges.length);
    this.mergedOf = new Int32Array(this.merges.length);
    const mergesUnknown = this.fillRanks(new Set([...byteIds, this.unknown]));
    // Adjacent unknown characters may become one token, follow bytes, or disappear so that their neighbours become
    // adjacent.
    const everyByte = fallsBack && byteIds.every((id, byte) => id !== NONE || !this.isSpelled(byte));
    const joinsUnknown = mergesUnknown || (!everyByte && (this.fusesUnknown || fallsBack || this.unknown === NONE));
    this.isPlain = !this.wholeWords && this.prefix === '' && this.suffix === '' && !joinsUnknown;
  }

  /** Whether a character that is not a token has this byte: Gemma 2 lacks the tab's byte, but has the tab. */
  private isSpelled(byte: number): boolean {
    if (byte < 0x80) return !this.vocabulary.has(String.fromCharCode(byte));
    return byte < 0xf5 && byte !== 0xc0 && byte !== 0xc1;
  }

  /** Whether one of the merges involves a token of `unknown`. */
  private fillRanks(unknown: ReadonlySet<number>): boolean {
    let found = false;
    const idOf = (token: string): number => {
      const id = this.vocabulary.get(token);
      if (id !== undefined) return id;
      throw new Unsupported(
        WHERE,
        `one of its merges has ${shortened(JSON.stringify(token), 60)}, which is not in the vocabulary`,
      );
    };
    for (const [rank, [left, right]] of this.merges.entries()) {
      const [leftId, rightId] = [idOf(left), idOf(right)];
      this.ranks.set(leftId, rightId, rank);
      this.mergedOf[rank] = idOf(left + right.slice(this.prefix.length));
      found ||= unknown.has(leftId) || unknown.has(rightId);
    }
    return found;
  }

  encode(word: string): number[] {
    if (word === '') return [];
    if (this.wholeWords) {
      const id = this.vocabulary.get(word);
      if (id !== undefined) return [id];
    }
    const ids = this.symbols(word);
    return ids.length < LONG ? this.mergeShort(ids) : this.mergeLong(ids);
  }

  private symbols(word: string): number[] {
    const ids: number[] = [];
    // An unknown character waits for the next known one, as in the published library.
    let waiting = false;
    for (let at = 0; at < word.length;) {
      const unit = word.charCodeAt(at);
      const length = unit >= 0xd800 && unit < 0xdc00 && at + 1 < word.length ? 2 : 1;
      let symbol = length === 1 ? word[at] : word.slice(at, at + 2);
      if (at > 0) symbol = this.prefix + symbol;
      at += length;
      if (at === word.length) symbol += this.suffix;
      const id = this.vocabulary.get(symbol);
      if (id !== undefined) {
        if (waiting) ids.push(this.unknown);
        waiting = false;
        ids.push(id);
        continue;
      }
      if (this.bytes) {
        const bytes = Array.from(encoder.encode(symbol), (byte) => this.bytes![byte]);
        if (!bytes.includes(NONE)) {
          ids.push(...bytes);
          continue;
        }
      }
      if (this.unknown === NONE) continue;
      if (waiting && !this.fusesUnknown) ids.push(this.unknown);
      waiting = true;
    }
    if (waiting) ids.push(this.unknown);
    return ids;
  }

  private mergeShort(ids: number[]): number[] {
    const { ranks, mergedOf } = this;
    const rankAt = (at: number): number => (at + 1 < ids.length ? ranks.get(ids[at], ids[at + 1]) : NONE);
    const rankOf = ids.map((_, at) => rankAt(at));
    for (;;) {
      let best = NONE;
      for (let at = 0; at < rankOf.length; at++)
        if (rankOf[at] !== NONE && (best === NONE || rankOf[at] < rankOf[best])) best = at;
      if (best === NONE) return ids;
      ids[best] = mergedOf[rankOf[best]];
      ids.splice(best + 1, 1);
      rankOf.splice(best + 1, 1);
      rankOf[best] = rankAt(best);
      if (best > 0) rankOf[best - 1] = rankAt(best - 1);
    }
  }

  /** The same with a queue: the lowest rank first, and of equal ones the leftmost. */
  private mergeLong(ids: number[]): number[] {
    const { ranks, mergedOf } = this;
    const { length } = ids;
    const next = Int32Array.from({ length }, (_, at) => (at + 1 < length ? at + 1 : NONE));
    const previous = Int32Array.from({ length }, (_, at) => at - 1);
    const queue = new Queue();
    const push = (at: number): void => {
      if (at === NONE || next[at] === NONE) return;
      const rank = ranks.get(ids[at], ids[next[at]]);
      if (rank !== NONE) queue.push(rank * PLACES + at);
    };
    for (let at = 0; at < length; at++) push(at);
    for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
      const rank = Math.floor(entry / PLACES);
      const at = entry % PLACES;
      const right = next[at];
      // A pair that has changed since it was queued has another rank, or is gone.
      if (ids[at] === NONE || right === NONE || ranks.get(ids[at], ids[right]) !== rank) continue;
      ids[at] = mergedOf[rank];
      ids[right] = NONE;
      next[at] = next[right];
      if (next[at] !== NONE) previous[next[at]] = at;
      push(previous[at]);
      push(at);
    }
    return ids.filter((id) => id !== NONE);
  }
}

/** A rank and a place are combined into one number: a string has at most 2^29 units. */
const PLACES = 2 ** 31;

/** Numbers, the lowest first. */
class Queue {
  private readonly heap: number[] = [];

  push(value: number): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(value);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent] <= value) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = value;
  }

  pop(): number | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= last) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
