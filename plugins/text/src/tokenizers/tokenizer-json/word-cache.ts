/** A bounded memory of words in two generations: a word that is not asked for through a whole generation is forgotten. */
export class WordCache {
  private young = new Map<string, readonly number[]>();
  private old = new Map<string, readonly number[]>();

  constructor(
    private readonly encode: (word: string) => readonly number[],
    /** Words in a generation. */
    private readonly words: number,
    /** Longer words, in UTF-16 units, are seldom met again and not kept. */
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
