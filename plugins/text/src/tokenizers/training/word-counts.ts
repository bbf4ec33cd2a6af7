import { decodeText, FileBytes } from '../../files/file-bytes';
import type { DataFile } from '../../files/find-files';

/** The character for a space in tokens, as in SentencePiece's models. In a text it counts as a space too. */
export const SPACE = '\u2581';

/**
 * The words of a text: letters, or signs, with the spaces before them; single digits; newlines. Whether a text is cut
 * between two characters depends only on these two, so an encoder that does not cut at all can never merge over a cut.
 */
const WORDS = new RegExp(
  `[ ${SPACE}]*(?:[\\p{L}\\p{M}]+|[^ ${SPACE}\\p{L}\\p{M}\\p{Nd}\\r\\n]+)|[ ${SPACE}]+|\\p{Nd}|[\\r\\n]+`,
  'gu',
);
/** In scripts without spaces, words are whole sentences. */
const PARTS = /.{1,64}/gsu;
const LONG = 64;
/** A text without newline or space is cut somewhere when it has become this long. */
const LONGEST_REST = 1 << 20;
/** V8 keeps a long match as a view of the text that contains it. */
const LONGEST_COPIED = 12;

/** How often each word occurs, with U+2581 for the spaces in it. */
export class WordCounts {
  private counts = new Map<string, number>();
  private readonly special: RegExp | undefined;
  private pruneBelow = 1;
  /** Characters read. */
  characters = 0;
  /** Distinct words that were dropped because there were too many; each was rare. */
  dropped = 0;

  constructor(
    /** Texts that are tokens of their own, so that nothing is learned from their spelling. */
    specialTokens: readonly string[] = [],
    /** Distinct words in memory; beyond this, the rarest ones are dropped. */
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

  /** In no particular order. */
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
 * Counts the words of files (UTF-8, plain or gzip by their contents), read as streams: no file is in memory as a whole.
 * `onProgress` gets the bytes of the files that are done. Throws DataError for a file that cannot be read or is not
 * UTF-8.
 */
export async function countWords(
  files: readonly DataFile[],
  counts: WordCounts,
  onProgress: (doneBytes: number) => void = () => undefined,
): Promise<void> {
  const bytes = new FileBytes();
  let done = 0;
  for (const file of files) {
    let rest = '';
    /** Bytes that were decoded so far, and the beginning of an incomplete character. */
    let decoded = 0;
    let begun: Uint8Array = new Uint8Array(0);
    for await (const chunk of bytes.scan(file)) {
      const all = Buffer.concat([begun, chunk]);
      const whole = wholeCharacters(all);
      rest += decodeText(all.subarray(0, whole), file.path, decoded);
      decoded += whole;
      begun = all.subarray(whole);
      const end = lastCut(rest);
      counts.add(rest.slice(0, end));
      rest = rest.slice(end);
      // A gzip file gives more bytes than it has.
      onProgress(done + Math.min(decoded, file.size));
    }
    counts.add(rest + decodeText(begun, file.path, decoded));
    onProgress((done += file.size));
  }
}

/** Where the last character of UTF-8 begins if it is incomplete; otherwise the length. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let at = bytes.length - 1; at >= Math.max(0, bytes.length - 3); at--) {
    const byte = bytes[at];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return at + length > bytes.length ? at : bytes.length;
  }
  return bytes.length;
}

const isNewline = (unit: number): boolean => unit === 0x0a || unit === 0x0d;
const isSpace = (unit: number): boolean => unit === 0x20 || unit === 0x2581;

/**
 * The last place where a text can be cut into words however it continues: before newlines or, without these, before
 * spaces.
 */
function lastCut(text: string): number {
  for (const isBreak of [isNewline, isSpace]) {
    for (let at = text.length - 1; at > 0; at--)
      if (isBreak(text.charCodeAt(at)) && !isBreak(text.charCodeAt(at - 1))) return at;
  }
  if (text.length < LONGEST_REST) return 0;
  // Not between the halves of a surrogate pair.
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last < 0xdc00 ? text.length - 1 : text.length;
}
