import { z } from 'zod';
import { badRow, classOf, FALSE_TRUE, index, parseRow, spanField, textField } from './rows';
import { accuracy } from './scores';
import type { Part, RowPlace, SuperGlueTask } from './task';

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

/**
 * The position of a span. The benchmark counts words between blanks, and miscounts in a few rows: the occurrence of the
 * text nearest to the counted place is used. Some spans have a full stop that the text lacks. In the test set a few are
 * combined from several places: there the counted words are used.
 */
function find(text: string, place: number, span: string, row: RowPlace, field: string, part: Part): Span {
  const words = [...text.matchAll(/\S+/g)];
  const counted = words[place]?.index ?? text.length;
  for (const wanted of [span, span.replace(/[\s.,;:!?"']+$/, '')]) {
    const [nearest] = occurrences(text, wanted).sort(
      (a, b) => Math.abs(a.start - counted) - Math.abs(b.start - counted),
    );
    if (nearest) return nearest;
  }
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
  score: (results) => ({ accuracy: accuracy(results) }),
};
