import { DataError } from '@graft/core';
import { escapedUnit, loneSurrogate } from '@graft/core/internal';
import * as tables from './tables';

const LAST = 0x10ffff;

/** A set of code points, as its ranges in base 36: the gap before each and its length less one. */
export class CodePoints {
  private bits: Uint8Array | undefined;

  constructor(private readonly ranges: string) {}

  has(codePoint: number): boolean {
    const bits = (this.bits ??= this.fill());
    return ((bits[codePoint >> 3] >> (codePoint & 7)) & 1) === 1;
  }

  private fill(): Uint8Array {
    const bits = new Uint8Array((LAST + 1) >> 3);
    let at = 0;
    for (const range of this.ranges.split(' ')) {
      const [gap, more = '0'] = range.split('-');
      at += parseInt(gap, 36);
      for (const end = at + parseInt(more, 36); at <= end; at++) bits[at >> 3] |= 1 << (at & 7);
    }
    return bits;
  }
}

/** The characters that the published library's regular expressions know: Unicode 16. */
const assigned = new CodePoints(tables.ASSIGNED);
/** Marks, punctuation and others, as known to the part of the published library that uses them. */
export const punctuation = new CodePoints(tables.PUNCTUATION);
export const strippedAccents = new CodePoints(tables.STRIPPED_ACCENTS);
export const bertAccents = new CodePoints(tables.BERT_ACCENTS);
export const bertRemoved = new CodePoints(tables.BERT_REMOVED);
/** Characters that the published library's normal forms do not know and leave unchanged. */
export const normalFormUnknown = new CodePoints(tables.NORMAL_FORM_UNKNOWN);

/** Characters beyond ASCII that may need a check; most texts have few of them. */
const BEYOND_LATIN = /[^\0-\u058f\u2000-\u206f\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\ufeff]/u;
const EACH_BEYOND_LATIN = new RegExp(BEYOND_LATIN.source, 'gu');
/** A small letter in Oniguruma, and a letter without case in newer versions of Unicode. */
const GLOTTAL = '\u0295';
const UNASSIGNED = '\uffff';
const UNASSIGNED_PAIR = '\u{10ffff}';

/**
 * A text of the same length for regular expressions: a character that is newer than the published library's Unicode
 * becomes one that no version assigns, so that every class treats it as that library does. A newer Node changes
 * nothing.
 */
export function maskYoung(text: string): string {
  if (!BEYOND_LATIN.test(text)) return text;
  return text.replace(EACH_BEYOND_LATIN, (character) => {
    if (assigned.has(character.codePointAt(0)!)) return character;
    return character.length === 1 ? UNASSIGNED : UNASSIGNED_PAIR;
  });
}

export const maskCase = (text: string): string => (text.includes(GLOTTAL) ? text.replaceAll(GLOTTAL, '\u0296') : text);

const knowsEnough = Number(process.versions.unicode) >= 16;

/** Throws DataError if a character is newer than this Node's Unicode, but not than the published library's. */
export function checkKnown(text: string): void {
  if (knowsEnough || !BEYOND_LATIN.test(text)) return;
  for (const [character] of text.matchAll(EACH_BEYOND_LATIN)) {
    if (!assigned.has(character.codePointAt(0)!) || !/\p{Cn}/u.test(character)) continue;
    throw new DataError(
      `${nameOf(character)} is newer than this Node's Unicode (${process.versions.unicode}): its token cannot be found.`,
      { code: 'tokenizer.old-unicode', hint: 'Update Node to a version with Unicode 16 or newer.' },
    );
  }
}

export const nameOf = (character: string): string =>
  `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;

/**
 * Throws DataError for half of a surrogate pair, which is not a character: encoded, it would silently become U+FFFD.
 */
export function checkWellFormed(text: string): void {
  // Strings have it since Node 20, but the types of ES2022 do not.
  if ((text as unknown as { isWellFormed(): boolean }).isWellFormed()) return;
  const half = loneSurrogate(text)!;
  throw new DataError(`The text holds half of a surrogate pair, ${escapedUnit(half)}, which is not a character.`, {
    code: 'data.lone-surrogate',
    hint: 'The text was cut within a character, or decoded wrongly: look at where it comes from.',
  });
}

export const WHITE = /\p{White_Space}/u;
export const isWhite = (character: string): boolean => WHITE.test(character);
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
/** A word's character in Rust's regular expressions. */
export const isWord = (character: string): boolean => WORD.test(maskYoung(character));

/** The first and last character of a text, which must not be empty. */
export const firstOf = (text: string): string => String.fromCodePoint(text.codePointAt(0)!);
export function lastOf(text: string): string {
  const unit = text.charCodeAt(text.length - 1);
  const isPair = unit >= 0xdc00 && unit < 0xe000 && text.length > 1;
  return text.slice(text.length - (isPair ? 2 : 1));
}
