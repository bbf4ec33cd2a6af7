import { z } from 'zod';
import { classOf, FALSE_TRUE, index, parseRow, textField } from './rows';
import { accuracy } from './scores';
import type { SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  passage: textField,
  question: textField,
  idx: index,
  label: z.unknown().optional(),
});

/** Is the answer to the question about the passage yes? */
export const boolq: SuperGlueTask = {
  id: 'boolq',
  folder: 'BoolQ',
  labels: ['false', 'true'],
  inMean: true,
  examples: (row, place, part) => {
    const { passage, question, idx, label } = parseRow(rowSchema, row, place);
    return [
      {
        id: String(idx),
        parts: [{ text: 'boolq passage: ' }, { text: passage, shortenable: true }, { text: ` question: ${question}` }],
        label: classOf(label, FALSE_TRUE, place, part),
      },
    ];
  },
  score: (results) => ({ accuracy: accuracy(results) }),
};
