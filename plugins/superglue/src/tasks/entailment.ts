import { z } from 'zod';
import { classOf, index, parseRow, textField } from './rows';
import { labelTask } from './label-texts';
import { accuracy, meanF1 } from './scores';
import type { ClassificationExample, ClassificationResult, Part, RowPlace, SuperGlueTask } from './task';

const rowSchema = z.looseObject({
  premise: textField,
  hypothesis: textField,
  idx: index,
  label: z.unknown().optional(),
});

const CB_LABELS = ['entailment', 'contradiction', 'neutral'];
export const RTE_LABELS = ['entailment', 'not_entailment'];

const byName = (labels: readonly string[]): Record<string, number> =>
  Object.fromEntries(labels.map((label, i) => [label, i]));

/** One example of a premise and a hypothesis, by the names that T5 gives to task and classes. */
export function entailmentExamples(id: 'cb' | 'rte', labels: readonly string[]) {
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

const cbExamples = entailmentExamples('cb', CB_LABELS);
const cbMetrics = (results: readonly ClassificationResult[]): Record<string, number> => ({
  accuracy: accuracy(results),
  f1: meanF1(results, CB_LABELS.length),
});

/** Does the author of the premise consider the hypothesis true, false, or neither? */
export const cb: SuperGlueTask = {
  id: 'cb',
  folder: 'CB',
  labels: CB_LABELS,
  inMean: true,
  examples: cbExamples,
  text: labelTask({ examples: cbExamples, labels: CB_LABELS, metrics: cbMetrics }),
  score: cbMetrics,
};

const rteExamples = entailmentExamples('rte', RTE_LABELS);

/** Does the hypothesis follow from the premise? */
export const rte: SuperGlueTask = {
  id: 'rte',
  folder: 'RTE',
  labels: RTE_LABELS,
  inMean: true,
  examples: rteExamples,
  text: labelTask({ examples: rteExamples, labels: RTE_LABELS }),
  score: (results) => ({ accuracy: accuracy(results) }),
};
