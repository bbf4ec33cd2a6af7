import { z } from 'zod';
import { entailmentExamples, RTE_LABELS } from './entailment';
import { labelTask } from './label-texts';
import { index, parseRow, textField } from './rows';
import { accuracy, allAlike, matthews, predictedClass } from './scores';
import type { ClassificationExample, ClassificationResult, Part, RowPlace, TextTask } from './task';

/** A set that tests the model that was fine-tuned on another task, here RTE. */
export interface Diagnostic {
  readonly id: 'axb' | 'axg';
  /** Name of its folder and file. */
  readonly folder: string;
  readonly text: TextTask;
}

const broadRowSchema = z.looseObject({ sentence1: textField, sentence2: textField });

/** The first sentence is the premise. */
function broadExamples(row: unknown, place: RowPlace, part: Part): ClassificationExample[] {
  const { sentence1, sentence2, ...others } = parseRow(broadRowSchema, row, place);
  return rteExamples({ ...others, premise: sentence1, hypothesis: sentence2 }, place, part);
}

const pairRowSchema = z.looseObject({ pair_id: z.union([index, z.string().min(1)]) });

function pairedExamples(row: unknown, place: RowPlace, part: Part): ClassificationExample[] {
  const { pair_id: pair } = parseRow(pairRowSchema, row, place);
  return rteExamples(row, place, part).map((example) => ({ ...example, group: String(pair) }));
}

const rteExamples = entailmentExamples('rte', RTE_LABELS);

/** Predictions as a submission has them, which the benchmark scores: one that names no class is the first class. */
const asSubmitted = (results: readonly ClassificationResult[]): ClassificationResult[] =>
  results.map((result) => (predictedClass(result) < 0 ? { ...result, probabilities: [1, 0] } : result));

function broadMetrics(results: readonly ClassificationResult[]): Record<string, number> {
  const pairs = asSubmitted(results).map((one) => [predictedClass(one) === 0, one.example.label === 0] as const);
  return { matthews: matthews(pairs) };
}

/** Parity: the share of the pairs with one prediction. Only the pronoun's gender differs between their examples. */
function pairedMetrics(results: readonly ClassificationResult[]): Record<string, number> {
  const submitted = asSubmitted(results);
  return { accuracy: accuracy(submitted), parity: allAlike(submitted) };
}

/** Broad-coverage diagnostics and Winogender schemas, which the model reads as RTE. */
export const DIAGNOSTICS: readonly Diagnostic[] = [
  {
    id: 'axb',
    folder: 'AX-b',
    text: labelTask({ examples: broadExamples, labels: RTE_LABELS, metrics: broadMetrics }),
  },
  {
    id: 'axg',
    folder: 'AX-g',
    text: labelTask({ examples: pairedExamples, labels: RTE_LABELS, metrics: pairedMetrics }),
  },
];
