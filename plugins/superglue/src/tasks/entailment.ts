import { z } from 'zod';
import { classOf, index, parseRow, textField } from './rows';
import { accuracy, meanF1 } from './scores';
import type { ClassificationExample, Part, RowPlace, SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  premise: textField,
  hypothesis: textField,
  idx: index,
  label: z.unknown().optional(),
});

const CB_LABELS = ['entailment', 'contradiction', 'neutral'];
const RTE_LABELS = ['entailment', 'not_entailment'];

const byName = (labels: readonly string[]): Record<string, number> =>
  Object.fromEntries(labels.map((label, i) => [label, i]));

function entailmentExamples(id: 'cb' | 'rte', labels: readonly string[]) {
  const named = byName(labels);
  return (row: unknown, place: RowPlace, part: Part): ClassificationExample[] => {
    const { premise, hypothesis, idx, label } = parseRow(rowSchema, row, place);
    return [
      {
        id: String(idx),
        parts: [{ text: `${id} hypothesis: ${hypothesis} premise: ` }, { text: premise, shortenable: true }],
        label: classOf(label, named, place, part),
      },
    ];
  };
}

/** Does the author of the premise consider the hypothesis true, false, or neither? */
export const cb: SuperGlueTask = {
  id: 'cb',
  folder: 'CB',
  labels: CB_LABELS,
  inMean: true,
  examples: entailmentExamples('cb', CB_LABELS),
  score: (results) => ({ accuracy: accuracy(results), f1: meanF1(results, CB_LABELS.length) }),
};

/** Does the hypothesis follow from the premise? */
export const rte: SuperGlueTask = {
  id: 'rte',
  folder: 'RTE',
  labels: RTE_LABELS,
  inMean: true,
  examples: entailmentExamples('rte', RTE_LABELS),
  score: (results) => ({ accuracy: accuracy(results) }),
};
