import { z } from 'zod';
import { classOf, index, parseRow, textField } from './rows';
import { accuracy } from './scores';
import type { SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  premise: textField,
  choice1: textField,
  choice2: textField,
  question: z.enum(['cause', 'effect']),
  idx: index,
  label: z.unknown().optional(),
});

/** Which of two sentences is the premise's cause, or its effect? */
export const copa: SuperGlueTask = {
  id: 'copa',
  folder: 'COPA',
  labels: ['choice1', 'choice2'],
  inMean: true,
  examples: (row, place, part) => {
    const { premise, choice1, choice2, question, idx, label } = parseRow(rowSchema, row, place);
    return [
      {
        id: String(idx),
        parts: [{ text: `copa choice1: ${choice1} choice2: ${choice2} premise: ${premise} question: ${question}` }],
        label: classOf(label, { '0': 0, '1': 1 }, place, part),
      },
    ];
  },
  score: (results) => ({ accuracy: accuracy(results) }),
};
