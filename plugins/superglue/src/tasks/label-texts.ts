import type {
  ClassificationExample,
  ClassificationResult,
  RowPlace,
  Part,
  TextExample,
  TextResult,
  TextTask,
} from './task';
import { accuracy } from './scores';

interface LabelTask {
  /** The texts and classes of a row. */
  readonly examples: (row: unknown, place: RowPlace, part: Part) => readonly ClassificationExample[];
  /** The label that a model writes for each class. */
  readonly labels: readonly string[];
  /** The label that a submission has for each class. Default: the same. */
  readonly submitted?: readonly (string | number)[];
  /** Of results as classes. Default: the accuracy alone. */
  readonly metrics?: (results: readonly ClassificationResult[]) => Record<string, number>;
  /** Default: `{ idx, label }` for each result. */
  readonly submission?: TextTask['submission'];
}

/** A text-to-text task whose answers are the names of classes. */
export function labelTask({ examples, labels, submitted = labels, metrics, submission }: LabelTask): TextTask {
  return {
    examples: (row, place, part) =>
      examples(row, place, part).map(({ label, ...example }) => ({
        ...example,
        choices: labels,
        answers: label === undefined ? undefined : [labels[label]],
      })),
    metrics: (results) => {
      const classes = results.map((result) => asClass(result, labels));
      return metrics ? metrics(classes) : { accuracy: accuracy(classes) };
    },
    isInvalid: ({ text }) => !labels.includes(text),
    submission:
      submission ??
      ((results) =>
        results.map(({ example, text }) => ({
          idx: Number(example.id),
          label: submitted[classOrFirst(text, labels)],
        }))),
  };
}

/** The class with that name. A submission has no place for other texts, which become the first class. */
export const classOrFirst = (text: string, labels: readonly string[]): number => Math.max(0, labels.indexOf(text));

/** A text as a prediction that is certain; a text that names no class has none, which is always wrong. */
function asClass({ example, text }: TextResult, labels: readonly string[]): ClassificationResult {
  const isNamed = labels.includes(text);
  return {
    example: { ...withoutChoices(example), label: labels.indexOf(example.answers?.[0] ?? '') },
    probabilities: labels.map((label) => (isNamed ? Number(label === text) : NaN)),
  };
}

const withoutChoices = ({ id, parts, group }: TextExample): ClassificationExample => ({ id, parts, group });

/** Predictions in which one that names no class is the other class than the right one. Of two classes. */
export const invalidAsWrong = (results: readonly ClassificationResult[]): ClassificationResult[] =>
  results.map((result) => {
    if (Array.from(result.probabilities).every(Number.isFinite)) return result;
    const wrong = 1 - (result.example.label ?? 0);
    return { ...result, probabilities: [Number(wrong === 0), Number(wrong === 1)] };
  });
