import { SPACE } from '../training/word-counts';
import type { Bpe } from './bpe';

/** Kinds of UTF-16 units for cutting between them: each ASCII unit is its own kind, the others by category. */
const [LETTER, SIGN, DIGIT, FIRST_HALF, SECOND_HALF] = [128, 129, 130, 131, 132];
const KIND_BITS = 8;
const kindOf = ((): ((unit: number) => number) => {
  let kinds: Uint8Array | undefined;
  const fill = (): Uint8Array => {
    const all = Uint8Array.from({ length: 1 << 16 }, (_, unit) => {
      if (unit < 128) return unit;
      const character = String.fromCharCode(unit);
      return /[\p{L}\p{M}]/u.test(character) ? LETTER : /\p{Nd}/u.test(character) ? DIGIT : SIGN;
    });
    all.fill(FIRST_HALF, 0xd800, 0xdc00);
    all.fill(SECOND_HALF, 0xdc00, 0xe000);
    all[SPACE.charCodeAt(0)] = 0x20;
    return all;
  };
  return (unit) => (kinds ??= fill())[unit];
})();

/**
 * Cuts text between characters that no merge joins, which changes no token. SentencePiece models, Gemma's among them,
 * cut nothing before BPE, so that a whole document would be one word, seen once; but none of their merges crosses from
 * a word to the space after it, for example. The merges themselves show which characters they join.
 */
export class WordCutter {
  /** By kind of the unit before and the unit after: 1 if a merge joins such units. */
  private readonly joined = new Uint8Array(1 << (2 * KIND_BITS));

  constructor({ isPlain, merges }: Pick<Bpe, 'isPlain' | 'merges'>) {
    if (!isPlain) this.joined.fill(1);
    // A character is never cut in two.
    for (let kind = 0; kind <= SECOND_HALF; kind++) this.joined[(kind << KIND_BITS) | SECOND_HALF] = 1;
    for (const [left, right] of merges) {
      const text = left + right;
      for (let i = 1; i < text.length; i++) this.joined[this.between(text, i)] = 1;
    }
  }

  each(text: string, take: (word: string) => void): void {
    let start = 0;
    for (let at = 1; at < text.length; at++) {
      if (this.joined[this.between(text, at)] === 1) continue;
      take(text.slice(start, at));
      start = at;
    }
    if (start < text.length) take(start === 0 ? text : text.slice(start));
  }

  /** Whether no token ever contains both of two consecutive characters. */
  separates(before: string, after: string): boolean {
    const text = before + after;
    return this.joined[this.between(text, before.length)] === 0;
  }

  private between(text: string, at: number): number {
    return (kindOf(text.charCodeAt(at - 1)) << KIND_BITS) | kindOf(text.charCodeAt(at));
  }
}
