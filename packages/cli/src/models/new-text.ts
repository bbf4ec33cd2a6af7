import type { Tokenizer } from '@graft/core';

/** U+FFFD at the end means a character whose bytes are not complete yet. */
const UNFINISHED = /\ufffd+$/;

/** Generated tokens as text: up to the first stop text, and for streams piece by piece. */
export class NewText {
  private readonly tokens: number[] = [];
  private printed = 0;

  constructor(
    private readonly tokenizer: Tokenizer,
    /** Tokens of a row that are not new. */
    private readonly promptLength: number,
    private readonly stops: readonly string[],
  ) {}

  /** Whether the text contains a stop text. */
  isOver(newTokens: readonly number[]): boolean {
    const text = this.tokenizer.decode(newTokens);
    return this.stops.some((stop) => text.includes(stop));
  }

  /** The new text of a whole row. */
  of(row: Int32Array): string {
    return this.cut(this.tokenizer.decode(row.subarray(this.promptLength)));
  }

  /** The text that another token adds, as far as it is certain: a stop text may have begun. */
  more(token: number): string {
    this.tokens.push(token);
    const text = this.cut(this.tokenizer.decode(this.tokens).replace(UNFINISHED, ''));
    return this.upTo(text, Math.max(this.printed, text.length - this.begun(text)));
  }

  /** The text that was held back, after the last token. */
  rest(): string {
    const text = this.cut(this.tokenizer.decode(this.tokens));
    return this.upTo(text, text.length);
  }

  private upTo(text: string, end: number): string {
    const added = text.slice(this.printed, end);
    this.printed = Math.max(this.printed, end);
    return added;
  }

  private cut(text: string): string {
    const ends = this.stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
  }

  /** Length of the longest beginning of a stop text with which the text ends. */
  private begun(text: string): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let length = stop.length - 1; length > longest; length--)
        if (text.endsWith(stop.slice(0, length))) longest = length;
    }
    return longest;
  }
}
