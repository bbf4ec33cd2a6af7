import { z } from 'zod';
import { classOf, index, parseRow, textField } from './rows';
import { labelTask } from './label-texts';
import { accuracy } from './scores';
import type { ClassificationExample, Part, RowPlace, SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  premise: textField,
  choice1: textField,
  choice2: textField,
  question: z.enum(['cause', 'effect']),
  idx: index,
  label: z.unknown().optional(),
});

const LABELS = ['choice1', 'choice2'];

function examples(row: unknown, place: RowPlace, part: Part): ClassificationExample[] {
  const { premise, choice1, choice2, question, idx, label } = parseRow(rowSchema, row, place);
  return [
    {
      id: String(idx),
      parts: [{ text: `copa choice1: ${choice1} choice2: ${choice2} premise: ${premise} question: ${question}` }],
      label: classOf(label, { '0': 0, '1': 1 }, place, part),
    },
  ];
}

/** Which of two sentences is the premise's cause, or its effect? */
export const copa: SuperGlueTask = {
  id: 'copa',
  folder: 'COPA',
  labels: LABELS,
  inMean: true,
  examples,
  text: labelTask({ examples, labels: LABELS, submitted: [0, 1] }),
  score: (results) => ({ accuracy: accuracy(results) }),
};
