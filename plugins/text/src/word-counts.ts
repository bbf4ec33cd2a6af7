import { DataError } from '@graft/core';
import { FileBytes } from './file-bytes';
import type { DataFile } from './find-files';

/** What stands for a space in tokens, as in SentencePiece's models. In a text it is taken for a space as well. */
export const SPACE = '\u2581';

/**
 * The words of a text: letters, or signs, with the spaces before them; every digit alone; newlines. Whether a text is cut
 * between two characters depends on these two alone, so an encoder that does not cut at all can never merge over a cut.
 */
const WORDS = new RegExp(
  `[ ${SPACE}]*(?:[\\p{L}\\p{M}]+|[^ ${SPACE}\\p{L}\\p{M}\\p{Nd}\\r\\n]+)|[ ${SPACE}]+|\\p{Nd}|[\\r\\n]+`,
  'gu',
);
/** Scripts without spaces have whole sentences for words. */
const PARTS = /.{1,64}/gsu;
const LONG = 64;
/** A text without newline or space is cut somewhere when it has become that long. */
const LONGEST_REST = 1 << 20;
/** V8 keeps a long match as a view of the text it was found in. */
const LONGEST_COPIED = 12;

/** How often each word occurs, spaces in it as U+2581. */
export class WordCounts {
  private counts = new Map<string, number>();
  private readonly special: RegExp | undefined;
  private pruneBelow = 1;
  /** Characters read. */
  characters = 0;
  /** Kinds of words that were given up because there were too many; each was rare. */
  dropped = 0;

  constructor(
    /** Texts that are tokens of their own, so that nothing is learnt from how they are spelled. */
    specialTokens: readonly string[] = [],
    /** Kinds of words that are held; more than that, and the rarest ones go. */
    private readonly mostKinds = 4_000_000,
  ) {
    const longestFirst = [...specialTokens].sort((a, b) => b.length - a.length).map(escaped);
    this.special = longestFirst.length > 0 ? new RegExp(longestFirst.join('|'), 'u') : undefined;
  }

  add(text: string): void {
    this.characters += text.length;
    if (this.special?.test(text)) for (const part of text.split(this.special)) this.addPlain(part);
    else this.addPlain(text);
    if (this.counts.size > this.mostKinds) this.prune();
  }

  /** In no order that means anything. */
  words(): Map<string, number> {
    const words = new Map<string, number>();
    for (const [word, count] of this.counts) {
      const spelled = word.replaceAll(' ', SPACE);
      words.set(spelled, (words.get(spelled) ?? 0) + count);
    }
    return words;
  }

  private addPlain(text: string): void {
    for (const word of text.match(WORDS) ?? []) {
      if (word.length <= LONG) this.addWord(word);
      else for (const part of word.match(PARTS)!) this.addWord(part);
    }
  }

  private addWord(word: string): void {
    const before = this.counts.get(word);
    if (before !== undefined) this.counts.set(word, before + 1);
    else this.counts.set(word.length > LONGEST_COPIED ? copy(word) : word, 1);
  }

  private prune(): void {
    while (this.counts.size > this.mostKinds / 2) {
      for (const [word, count] of this.counts) {
        if (count > this.pruneBelow) continue;
        this.counts.delete(word);
        this.dropped++;
      }
      this.pruneBelow *= 2;
    }
  }
}

const copy = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le');
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/gu, '\\$&');

/**
 * Counts the words of files (UTF-8; `.gz` is unpacked), read as streams: no file is in memory as a whole. `onProgress` gets
 * the bytes of the files that are done. Throws DataError for a file that cannot be read, or is
 * not UTF-8.
 */
export async function countWords(
  files: readonly DataFile[],
  counts: WordCounts,
  onProgress: (doneBytes: number) => void = () => undefined,
): Promise<void> {
  let done = 0;
  const bytes = new FileBytes();
  for (const file of files) {
    let rest = '';
    let read = 0;
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const decode = (chunk?: Uint8Array): string => {
      try {
        return decoder.decode(chunk, { stream: chunk !== undefined });
      } catch (cause) {
        throw new DataError(`${file.path} (the ${chunk?.length ?? 0} bytes from ${read} on) is not UTF-8.`, {
          code: 'data.encoding',
          hint: 'Convert the file, e.g. with `iconv -f latin1 -t utf-8`, or leave it out with --exclude.',
          cause,
        });
      }
    };
    for await (const chunk of bytes.scan(file)) {
      rest += decode(chunk);
      read += chunk.length;
      const end = lastCut(rest);
      counts.add(rest.slice(0, end));
      rest = rest.slice(end);
      // A gzip file holds more text than it has bytes.
      onProgress(done + Math.min(read, file.size));
    }
    counts.add(rest + decode());
    onProgress((done += file.size));
  }
}

const isNewline = (unit: number): boolean => unit === 0x0a || unit === 0x0d;
const isSpace = (unit: number): boolean => unit === 0x20 || unit === 0x2581;

/** The last place where a text falls into words however it goes on: before newlines or, lacking these, before spaces. */
function lastCut(text: string): number {
  for (const isBreak of [isNewline, isSpace]) {
    for (let at = text.length - 1; at > 0; at--)
      if (isBreak(text.charCodeAt(at)) && !isBreak(text.charCodeAt(at - 1))) return at;
  }
  if (text.length < LONGEST_REST) return 0;
  // Not between the halves of a character.
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last < 0xdc00 ? text.length - 1 : text.length;
}
