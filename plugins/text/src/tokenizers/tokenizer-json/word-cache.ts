/** A bounded cache of words in two generations: a word that is not used for a whole generation is dropped. */
export class WordCache {
  private young = new Map<string, readonly number[]>();
  private old = new Map<string, readonly number[]>();

  constructor(
    private readonly encode: (word: string) => readonly number[],
    /** Words per generation. */
    private readonly words: number,
    /** Longer words, in UTF-16 units, seldom recur and are not cached. */
    private readonly longest: number,
  ) {}

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(word: string): readonly number[] {
    const known = this.young.get(word);
    if (known) return known;
    const ids = this.old.get(word) ?? this.encode(word);
    if (word.length > this.longest) return ids;
    if (this.young.size >= this.words) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(word, ids);
    return ids;
  }
}
