import { z } from 'zod';
import { sliceCodePoints } from '@graft/core/internal';
import { badRow, classOf, FALSE_TRUE, index, parseRow, spanField, textField } from './rows';
import { labelTask } from './label-texts';
import { accuracy } from './scores';
import type { ClassificationExample, Part, RowPlace, SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  word: spanField,
  sentence1: textField,
  sentence2: textField,
  start1: index,
  end1: index,
  start2: index,
  end2: index,
  idx: index,
  label: z.unknown().optional(),
});

/** Asterisks around the word: the question is about this occurrence, and a sentence may have the word twice. */
function mark(sentence: string, start: number, end: number, place: RowPlace, field: string): string {
  const word = sliceCodePoints(sentence, start, end);
  const [before, after] = [sliceCodePoints(sentence, 0, start), sliceCodePoints(sentence, end, Infinity)];
  const isWhole = word.trim() !== '' && !/[\p{L}\p{N}]$/u.test(before) && !/^[\p{L}\p{N}]/u.test(after);
  if (!isWhole || Array.from(sentence).length < end)
    throw badRow(place, `${field}: there is no whole word from ${start} to ${end}, but "${word}"`);
  return `${before}*${word}*${after}`;
}

/** T5's form does not say where the word is. */
function unmarkedExamples(row: unknown, place: RowPlace, part: Part): ClassificationExample[] {
  const { word, sentence1, sentence2, idx, label } = parseRow(rowSchema, row, place);
  return [
    {
      id: String(idx),
      parts: [{ text: `wic sentence1: ${sentence1} sentence2: ${sentence2} word: ${word}` }],
      label: classOf(label, FALSE_TRUE, place, part),
    },
  ];
}

/** Does the word mean the same in both sentences? */
export const wic: SuperGlueTask = {
  id: 'wic',
  folder: 'WiC',
  labels: ['false', 'true'],
  inMean: true,
  examples: (row, place, part) => {
    const { word, sentence1, sentence2, start1, end1, start2, end2, idx, label } = parseRow(rowSchema, row, place);
    const first = mark(sentence1, start1, end1, place, 'sentence1');
    const second = mark(sentence2, start2, end2, place, 'sentence2');
    return [
      {
        id: String(idx),
        parts: [{ text: `wic sentence1: ${first} sentence2: ${second} word: ${word}` }],
        label: classOf(label, FALSE_TRUE, place, part),
      },
    ];
  },
  text: labelTask({ examples: unmarkedExamples, labels: ['False', 'True'], submitted: ['false', 'true'] }),
  score: (results) => ({ accuracy: accuracy(results) }),
};
