import { ConfigError } from '@graft/engine';
import { listed } from '@graft/errors';
import type { TrainingConfig } from '../config';
import { isMeasured, nameIn, ownerOf, unmeasured } from '../config/metric-names';
import type { NamedEvaluator } from '../evaluation/evaluations';
import type { Dataset, Evaluator, Model, Objective } from '../interfaces';
import { failedAt } from '../util/training-error';

/**
 * Finds before the first step what would otherwise fail hours later: every evaluator checks that it has what it needs.
 * Throws the error of an evaluator, with its name.
 */
export async function checkEvaluators(
  evaluators: readonly NamedEvaluator[],
  model: Model,
  signal?: AbortSignal,
): Promise<void> {
  for (const { name, evaluator } of evaluators) {
    try {
      await evaluator.check?.({ model, signal });
    } catch (error) {
      throw failedAt(`Evaluator "${name}"`, error);
    }
  }
}

/** What the check of metrics looks at. */
interface Measures {
  readonly name: string;
  readonly evaluator: Pick<Evaluator, 'metricNames'>;
}

/** As many names as a reader looks through. */
const LISTED_METRICS = 12;

/**
 * Throws ConfigError if training is to choose by a number that its evaluator does not measure, as far as it says what it
 * measures. That the evaluator exists was checked with the config.
 */
export function checkChoices(
  { keepBest, stopWhen }: Pick<TrainingConfig['train'], 'keepBest' | 'stopWhen'>,
  evaluators: readonly Measures[],
): void {
  for (const [option, watched] of Object.entries({ keepBest, stopWhen })) {
    const owner = watched && ownerOf(watched.metric, evaluators);
    const known = owner?.evaluator.metricNames;
    if (!watched || !owner || !known || isMeasured(nameIn(watched.metric, owner.name), known)) continue;
    const names = known.filter((one) => !one.endsWith('*'));
    throw new ConfigError(unmeasured(watched.metric, `train.${option}`, owner.name, names), {
      code: 'training.metric',
      hint: `It measures ${listed(names, LISTED_METRICS)}.`,
    });
  }
}

const number = (value: number): string => value.toLocaleString('en');

/**
 * Checks that the data contain enough items for the run. Returns a warning if a batch repeats items; throws ConfigError
 * if the data end before the last step. Skips datasets that do not report their length, and those with items for each
 * variant.
 */
export function checkAmountOfData(
  { steps, batchSize }: Pick<TrainingConfig['train'], 'steps' | 'batchSize'>,
  dataset: Dataset,
  name: string,
  objective?: Pick<Objective, 'exampleTokens'>,
): string | undefined {
  const { length, repeats, kind } = dataset;
  if (length === undefined || repeats === undefined || dataset.select) return undefined;
  // The length counts examples of the dataset's own length.
  if (dataset.cut && objective?.exampleTokens) return undefined;
  const perStep = kind === 'examples' ? batchSize : 1;
  if (repeats) {
    if (perStep <= length) return undefined;
    return `train.batchSize is ${number(batchSize)}, but ${name} has ${number(length)} examples: every batch has some of them more than once. Lower train.batchSize to ${number(length)} or less.`;
  }
  if (steps * perStep <= length) return undefined;
  const possible = Math.floor(length / perStep);
  const items = kind === 'examples' ? 'examples' : 'batches';
  const rest = length - possible * perStep;
  const dropped = rest > 0 && possible > 0 ? ` (the last ${number(rest)} do not fill a batch)` : '';
  const enough =
    kind === 'batch' ? '' : possible > 0 ? `, enough for ${number(possible)}${dropped}` : ', not enough for one';
  const need =
    kind === 'examples'
      ? `train.steps ${number(steps)} with train.batchSize ${number(batchSize)} needs ${number(steps * perStep)} examples`
      : `train.steps is ${number(steps)}`;
  const lower =
    possible > 0 ? `train.steps to ${number(possible)} or less` : `train.batchSize to ${number(length)} or less`;
  throw new ConfigError(`${need}, but ${name} ends after ${number(length)} ${items}${enough}.`, {
    code: 'data.too-few',
    hint: `Lower ${lower}, give more data, or let the dataset repeat.`,
  });
}
