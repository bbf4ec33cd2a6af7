/** The input of the training. */
export interface LearnOptions {
  /** How often each word occurs. No merge crosses the end of a word. */
  readonly words: ReadonlyMap<string, number>;
  /** Tokens that precede all others and are never the result of a merge. */
  readonly reserved: readonly string[];
  /** Single characters that are tokens, after the reserved ones. A word is cut at every other character. */
  readonly alphabet: readonly string[];
  /** Total number of tokens. */
  readonly vocabularySize: number;
  /** Occurrences that a pair needs to be merged. */
  readonly minFrequency: number;
  /** Longest token, in characters. */
  readonly longestToken: number;
  /** Called from time to time with the number of tokens so far. */
  readonly onProgress?: (tokens: number) => void;
}

/** What training a tokenizer has learned. */
export interface LearnedMerges {
  /** By id: the reserved ones, the alphabet, then merged ones, the most frequent first. */
  readonly tokens: readonly string[];
  readonly merges: readonly (readonly [left: string, right: string])[];
}

/** Two neighbouring tokens. */
class Pair {
  /** Occurrences in the text as it is split now. */
  count = 0;
  /** Words that contain it, or contained it once. */
  readonly words: number[] = [];

  constructor(
    readonly left: number,
    readonly right: number,
  ) {}
}

/** A pair with its count when it was queued. */
interface Queued {
  readonly pair: Pair;
  readonly count: number;
}

/**
 * The most frequent pair first; of equals the one with the lower left id, then right id: so training is deterministic.
 */
function goesBefore(a: Queued, b: Queued): boolean {
  if (a.count !== b.count) return a.count > b.count;
  return a.pair.left !== b.pair.left ? a.pair.left < b.pair.left : a.pair.right < b.pair.right;
}

/** A binary heap. */
class PairQueue {
  private readonly heap: Queued[] = [];

  push(pair: Pair): void {
    const queued = { pair, count: pair.count };
    let at = this.heap.push(queued) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!goesBefore(queued, this.heap[parent])) break;
      this.heap[at] = this.heap[parent];
      at = parent;
    }
    this.heap[at] = queued;
  }

  pop(): Queued | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && goesBefore(heap[child + 1], heap[child])) child++;
      if (!goesBefore(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** Ids are below this, so that two of them can be combined into one number. */
export const MOST_TOKENS = 1 << 20;
const keyOf = (left: number, right: number): number => left * MOST_TOKENS + right;

/** All words as ids, in which merges replace pairs, and the pairs in them with their counts. */
class Corpus {
  readonly pairs = new Map<number, Pair>();
  private readonly ids: Int32Array;
  /** Where each word begins; one more than there are words. */
  private readonly starts: number[] = [0];
  private readonly lengths: number[] = [];
  private readonly counts: number[] = [];

  constructor(words: ReadonlyMap<string, number>, idOf: ReadonlyMap<string, number>) {
    let ids = new Int32Array(1 << 16);
    let end = 0;
    const finish = (count: number): void => {
      const start = this.starts[this.starts.length - 1];
      // A single token has no pair.
      if (end - start < 2) {
        end = start;
        return;
      }
      this.lengths.push(end - start);
      this.counts.push(count);
      this.starts.push(end);
    };
    for (const [word, count] of words) {
      for (const character of word) {
        const id = idOf.get(character);
        if (id === undefined) {
          finish(count);
          continue;
        }
        if (end === ids.length) {
          const larger = new Int32Array(2 * end);
          larger.set(ids);
          ids = larger;
        }
        ids[end++] = id;
      }
      finish(count);
    }
    this.ids = ids;
    for (const word of this.lengths.keys()) {
      for (let i = this.starts[word]; i + 1 < this.starts[word + 1]; i++)
        this.count(ids[i], ids[i + 1], this.counts[word], word);
    }
  }

  /** Replaces a pair by `id` everywhere; returns the pairs that arose from it. */
  merge({ left, right, words }: Pair, id: number): Set<Pair> {
    const { ids } = this;
    const cameUp = new Set<Pair>();
    for (const word of words) {
      const count = this.counts[word];
      const begin = this.starts[word];
      const end = begin + this.lengths[word];
      let write = begin;
      for (let read = begin; read < end;) {
        if (ids[read] !== left || read + 1 >= end || ids[read + 1] !== right) {
          ids[write++] = ids[read++];
          continue;
        }
        if (write > begin) {
          this.count(ids[write - 1], left, -count);
          cameUp.add(this.count(ids[write - 1], id, count, word));
        }
        if (read + 2 < end) {
          this.count(right, ids[read + 2], -count);
          cameUp.add(this.count(id, ids[read + 2], count, word));
        }
        ids[write++] = id;
        read += 2;
      }
      this.lengths[word] = write - begin;
    }
    this.pairs.delete(keyOf(left, right));
    return cameUp;
  }

  private count(left: number, right: number, count: number, word?: number): Pair {
    const key = keyOf(left, right);
    let pair = this.pairs.get(key);
    if (!pair) this.pairs.set(key, (pair = new Pair(left, right)));
    pair.count += count;
    if (word !== undefined && pair.words[pair.words.length - 1] !== word) pair.words.push(word);
    return pair;
  }
}

const PROGRESS_EVERY = 64;

/**
 * Byte pair encoding: repeatedly merges the most frequent pair of neighbours. Counts are updated merge by
 * merge, over the words that contain the pair. The same words give the same tokens, in whatever order they come.
 *
 *     words aab x 3, ab x 2; alphabet a, b; two merges   ->   a b, then a ab: tokens a, b, ab, aab
 */
export function learnMerges(options: LearnOptions): LearnedMerges {
  const { words, reserved, alphabet, vocabularySize, minFrequency, longestToken, onProgress } = options;
  const tokens = [...reserved, ...alphabet];
  const idOf = new Map(alphabet.map((character, i) => [character, reserved.length + i]));
  const taken = new Set(reserved);
  const lengthOf = tokens.map(() => 1);
  const corpus = new Corpus(words, idOf);
  const queue = new PairQueue();
  const enqueue = (pair: Pair): void => {
    if (pair.count >= minFrequency && pair.count > 0) queue.push(pair);
  };
  for (const pair of corpus.pairs.values()) enqueue(pair);

  const merges: [string, string][] = [];
  const known = new Set<number>();
  while (tokens.length < vocabularySize) {
    const next = queue.pop();
    if (!next) break;
    const { pair, count } = next;
    const key = keyOf(pair.left, pair.right);
    // Neighbouring merges have changed its count, or it was queued twice and is done.
    if (pair.count !== count || corpus.pairs.get(key) !== pair) {
      if (corpus.pairs.get(key) === pair && pair.count < count) enqueue(pair);
      continue;
    }
    const text = tokens[pair.left] + tokens[pair.right];
    const length = lengthOf[pair.left] + lengthOf[pair.right];
    if (length > longestToken || taken.has(text)) continue;
    // abc may be merged from a + bc and from ab + c: two merges, one token.
    let id = idOf.get(text);
    if (id === undefined) {
      id = tokens.push(text) - 1;
      idOf.set(text, id);
      lengthOf.push(length);
      if (tokens.length % PROGRESS_EVERY === 0) onProgress?.(tokens.length);
    }
    if (!known.has(key)) merges.push([tokens[pair.left], tokens[pair.right]]);
    known.add(key);
    for (const other of corpus.merge(pair, id)) enqueue(other);
  }
  return { tokens, merges };
}
