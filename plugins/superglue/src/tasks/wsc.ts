import { z } from 'zod';
import { badRow, classOf, FALSE_TRUE, index, parseRow } from './rows';
import { accuracy } from './scores';
import type { RowPlace, SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  text: z.string(),
  target: z.looseObject({ span1_index: index, span1_text: z.string(), span2_index: index, span2_text: z.string() }),
  idx: index,
  label: z.unknown().optional(),
});

interface Span {
  readonly start: number;
  readonly end: number;
}

const isWordCharacter = (character: string | undefined): boolean =>
  character !== undefined && /[\p{L}\p{N}]/u.test(character);

/**
 * Where a span lies. The benchmark counts words between blanks, and miscounts in a few rows: the occurrence of the text,
 * in whole words, that is nearest to the counted place is meant.
 */
function find(text: string, words: number, span: string, place: RowPlace, field: string): Span {
  const counted = [...text.matchAll(/\S+/g)][words]?.index ?? text.length;
  const [haystack, needle] = [text.toLowerCase(), span.trim().toLowerCase()];
  let nearest: Span | undefined;
  for (let at = haystack.indexOf(needle); at >= 0 && needle !== ''; at = haystack.indexOf(needle, at + 1)) {
    const end = at + needle.length;
    if (isWordCharacter(text[at - 1]) || (isWordCharacter(needle.at(-1)) && isWordCharacter(text[end]))) continue;
    if (!nearest || Math.abs(at - counted) < Math.abs(nearest.start - counted)) nearest = { start: at, end };
  }
  if (nearest) return nearest;
  throw badRow(place, `target.${field}: ${JSON.stringify(span)} is not in the text`);
}

/** `*` around the noun and `#` around the pronoun; one may lie within the other. */
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
    const noun = find(text, target.span1_index, target.span1_text, place, 'span1_text');
    const pronoun = find(text, target.span2_index, target.span2_text, place, 'span2_text');
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
