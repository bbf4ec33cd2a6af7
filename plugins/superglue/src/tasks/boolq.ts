import { z } from 'zod';
import { classOf, FALSE_TRUE, index, parseRow, textField } from './rows';
import { labelTask } from './label-texts';
import { accuracy } from './scores';
import type { ClassificationExample, Part, RowPlace, SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  passage: textField,
  question: textField,
  idx: index,
  label: z.unknown().optional(),
});

function examples(row: unknown, place: RowPlace, part: Part): ClassificationExample[] {
  const { passage, question, idx, label } = parseRow(rowSchema, row, place);
  return [
    {
      id: String(idx),
      parts: [{ text: 'boolq passage: ' }, { text: passage, shortenable: true }, { text: ` question: ${question}` }],
      label: classOf(label, FALSE_TRUE, place, part),
    },
  ];
}

/** Is the answer to the question about the passage yes? */
export const boolq: SuperGlueTask = {
  id: 'boolq',
  folder: 'BoolQ',
  labels: ['false', 'true'],
  inMean: true,
  examples,
  text: labelTask({ examples, labels: ['False', 'True'], submitted: ['false', 'true'] }),
  score: (results) => ({ accuracy: accuracy(results) }),
};
