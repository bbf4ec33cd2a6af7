import { z } from 'zod';
import { badRow, classOf, FALSE_TRUE, index, parseRow, spanField, textField } from './rows';
import { accuracy, mean } from './scores';
import type { Part, RowPlace, SuperGlueTask, TextResult, TextTask } from './task';

const rowSchema = z.looseObject({
  text: textField,
  target: z.looseObject({ span1_index: index, span1_text: spanField, span2_index: index, span2_text: spanField }),
  idx: index,
  label: z.unknown().optional(),
});

interface Span {
  readonly start: number;
  readonly end: number;
}

const LETTER = /[\p{L}\p{N}]/u;

/** Every occurrence of a span's text in whole words, whatever the case and the blanks between its words. */
function occurrences(text: string, span: string): Span[] {
  const words = span.trim().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const pattern = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('\\s+');
  return [...text.matchAll(new RegExp(pattern, 'giu'))]
    .map((found) => ({ start: found.index, end: found.index + found[0].length }))
    .filter(
      ({ start, end }) =>
        !(LETTER.test(text[start]) && LETTER.test(text[start - 1] ?? '')) &&
        !(LETTER.test(text[end - 1]) && LETTER.test(text[end] ?? '')),
    );
}

/** The occurrence of a span's text that is nearest to a place in the text; undefined if there is none. */
function nearestTo(at: number, text: string, span: string): Span | undefined {
  for (const wanted of [span, span.replace(/[\s.,;:!?"']+$/, '')]) {
    const [nearest] = occurrences(text, wanted).sort((a, b) => Math.abs(a.start - at) - Math.abs(b.start - at));
    if (nearest) return nearest;
  }
  return undefined;
}

/**
 * The position of a span. The benchmark counts words between blanks, and miscounts in a few rows: the occurrence of the
 * text nearest to the counted place is used. Some spans have a full stop that the text lacks. In the test set a few are
 * combined from several places: there the counted words are used.
 */
function find(text: string, place: number, span: string, row: RowPlace, field: string, part: Part): Span {
  const words = [...text.matchAll(/\S+/g)];
  const counted = words[place]?.index ?? text.length;
  const nearest = nearestTo(counted, text, span);
  if (nearest) return nearest;
  const last = words[Math.min(words.length, place + span.trim().split(/\s+/).length) - 1];
  if (part === 'test' && words[place] && last) return { start: counted, end: last.index + last[0].length };
  throw badRow(row, `target.${field}: ${JSON.stringify(span)} is not in the text`);
}

/** `*` around the noun and `#` around the pronoun; one may be within the other. */
function mark(text: string, noun: Span, pronoun: Span): string {
  const marks = [
    { at: noun.end, mark: '*' },
    { at: pronoun.end, mark: '#' },
    { at: pronoun.start, mark: '#' },
    { at: noun.start, mark: '*' },
  ].sort((a, b) => b.at - a.at);
  return marks.reduce((marked, { at, mark }) => `${marked.slice(0, at)}${mark}${marked.slice(at)}`, text);
}

/**
 * Asterisks around the pronoun, in T5's form. It stands apart from punctuation: T5 repairs the one row in which it does
 * not.
 */
function markPronoun(text: string, { start, end }: Span): string {
  const isApart = (at: number): boolean => /^\s?$/.test(text.charAt(at));
  const before = text.slice(0, start) + (start === 0 || isApart(start - 1) ? '' : ' ');
  const marked = `${before}*${text.slice(start, end)}*`;
  return isApart(end) ? marked + text.slice(end) : `${marked} ${text.slice(end).trimEnd()}`;
}

/** The noun as the text writes it: some spans differ from it in case, blanks or a final full stop. */
function nounOf(text: string, noun: string): string {
  if (text.includes(noun)) return noun;
  const found = nearestTo(0, text, noun);
  return found ? text.slice(found.start, found.end) : noun;
}

const DETERMINERS = new Set(
  'a an few her his each every many much my our some that the their these this those which whose your'.split(' '),
);

/** A text in lower case, without determiners. */
const plain = (text: string): string =>
  text
    .trim()
    .toLowerCase()
    .split(' ')
    .filter((word) => !DETERMINERS.has(word))
    .join(' ');

/**
 * Whether a text means the noun, by T5's rule: apart from determiners, the words of one are among those of the other, and
 * both or neither have an apostrophe.
 *
 *     `the fuzzy bunny` means `bunny`      `Bob` does not mean `Bob's hat`
 */
export function meansNoun(text: string, noun: string): boolean {
  const [own, other] = [plain(text), plain(noun)];
  if (own.includes("'") !== other.includes("'")) return false;
  const [ownWords, otherWords] = [new Set(own.split(' ')), new Set(other.split(' '))];
  return [...ownWords].every((word) => otherWords.has(word)) || [...otherWords].every((word) => ownWords.has(word));
}

const isEmpty = ({ text }: TextResult): boolean => plain(text) === '';
const isMeant = (result: TextResult): boolean => !isEmpty(result) && meansNoun(result.text, result.example.choices[0]);

/** Which noun does the pronoun stand for? The model writes it; negative rows are not trained on (T5, section 2.4). */
const wscText: TextTask = {
  isWritten: true,
  examples: (row, place, part) => {
    const { text, target, idx, label } = parseRow(rowSchema, row, place);
    const pronoun = find(text, target.span2_index, target.span2_text, place, 'span2_text', part);
    if (part !== 'test') find(text, target.span1_index, target.span1_text, place, 'span1_text', part);
    const noun = nounOf(text, target.span1_text);
    const isRight = classOf(label, FALSE_TRUE, place, part);
    return [
      {
        id: String(idx),
        parts: [{ text: `wsc: ${markPronoun(text, pronoun)}` }],
        choices: [noun],
        answers: isRight === undefined ? undefined : isRight === 1 ? [noun] : [],
      },
    ];
  },
  metrics: (results) => ({
    accuracy: mean(
      results.map((result) => {
        const isRight = (result.example.answers ?? []).length > 0;
        // An empty text is wrong even where the pronoun stands for another noun.
        return Number(!isEmpty(result) && isMeant(result) === isRight);
      }),
    ),
  }),
  isInvalid: isEmpty,
  submission: (results) =>
    results.map((result) => ({ idx: Number(result.example.id), label: isMeant(result) ? 'True' : 'False' })),
};

/** Does the pronoun stand for the noun? */
export const wsc: SuperGlueTask = {
  id: 'wsc',
  folder: 'WSC',
  labels: ['false', 'true'],
  inMean: true,
  examples: (row, place, part) => {
    const { text, target, idx, label } = parseRow(rowSchema, row, place);
    const noun = find(text, target.span1_index, target.span1_text, place, 'span1_text', part);
    const pronoun = find(text, target.span2_index, target.span2_text, place, 'span2_text', part);
    return [
      {
        id: String(idx),
        parts: [{ text: `wsc text: ${mark(text, noun, pronoun)}` }],
        label: classOf(label, FALSE_TRUE, place, part),
      },
    ];
  },
  text: wscText,
  score: (results) => ({ accuracy: accuracy(results) }),
};
