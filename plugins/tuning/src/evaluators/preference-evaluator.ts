import {
  checkFields,
  componentOption,
  DataError,
  defineComponent,
  parseOptions,
  uploadBatch,
  watchedItems,
  type BatchTensors,
  type Dataset,
  type EvaluationContext,
  type Evaluator,
  type HostFields,
  type JsonValue,
  type Model,
  type Parameters,
  type RandomStream,
} from '@graft/core';
import { tf, type Engine, type Jitted } from '@graft/engine';
import { z } from 'zod';
import { PREFERENCE_FIELDS, preferenceBatch } from '../batch/preference-batch';
import { answerLogProbabilities, answersOf } from '../loss/answer-log-probabilities';

/** The options of the evaluator `preferences`. */
export const preferenceEvaluatorOptions = z.strictObject({
  dataset: componentOption('dataset').describe('Where the held-out pairs of answers come from.'),
  batches: z
    .int()
    .positive()
    .default(16)
    .describe('Batches to measure. A dataset that ends earlier is measured whole.'),
  batchSize: z.int().positive().default(8).describe('Pairs in a batch; of no effect on the result.'),
  perToken: z
    .boolean()
    .default(false)
    .describe('Compares the mean log-probability of the tokens of an answer in place of the sum.'),
  padToMultipleOf: z
    .int()
    .positive()
    .default(32)
    .describe('Lengths are padded to multiples of this many tokens: every new length is compiled again.'),
});

/** What a config or code may write. */
export type PreferenceEvaluatorOptions = z.input<typeof preferenceEvaluatorOptions>;
/** The same with every default filled in. */
export type ResolvedPreferenceEvaluatorOptions = z.output<typeof preferenceEvaluatorOptions>;

const settingsOptions = preferenceEvaluatorOptions.omit({ dataset: true });

type Differences = Jitted<[Parameters, BatchTensors], tf.Tensor1D>;

/**
 * How often a model gives the better of two answers the larger probability. Returns `accuracy` (the share of the pairs; a
 * tie counts as wrong), `margin` (the mean difference of the log-probabilities in nats, of the answers or with `perToken`
 * of their tokens) and `pairs` (their number). It needs no reference model.
 */
export class PreferenceEvaluator implements Evaluator {
  readonly metricNames = ['accuracy', 'margin', 'pairs'];
  private readonly start: JsonValue;
  private readonly options: z.output<typeof settingsOptions>;
  private compiled: { readonly model: Model; readonly differences: Differences } | undefined;

  /** Throws DataError for a dataset without pairs of answers. */
  constructor(
    private readonly parts: { readonly engine: Engine; readonly dataset: Dataset; readonly random: RandomStream },
    options: Omit<PreferenceEvaluatorOptions, 'dataset'> = {},
  ) {
    this.options = parseOptions(settingsOptions, options, 'PreferenceEvaluator');
    const { dataset } = parts;
    const lost = PREFERENCE_FIELDS.find(({ name }) => !dataset.fields.some((field) => field.name === name));
    if (dataset.kind !== 'examples' || lost) {
      throw new DataError(
        `The dataset of the evaluator "preferences" should give pairs of answers, but has no "${lost?.name ?? 'single examples'}".`,
        { code: 'data.contract', exitCode: 2, hint: 'Name the dataset `preferences`.' },
      );
    }
    this.start = dataset.position();
  }

  async check({ model }: Pick<EvaluationContext, 'model'>): Promise<void> {
    const first = await this.batches(model).next();
    if (first.done) throw nothingHeldOut();
  }

  async evaluate({ model, parameters, signal, progress }: EvaluationContext): Promise<Record<string, number>> {
    const differences = this.differencesOf(model);
    const all: number[] = [];
    let measured = 0;
    for await (const fields of this.batches(model)) {
      signal?.throwIfAborted();
      progress?.({ done: measured++, total: this.options.batches, unit: 'batches' });
      const batch = uploadBatch(fields);
      let made: tf.Tensor1D | undefined;
      try {
        made = await differences.async(parameters, batch);
        all.push(...(await made.data()));
      } finally {
        tf.dispose([batch, made] as tf.TensorContainer);
      }
    }
    if (all.length === 0) throw nothingHeldOut();
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    return {
      accuracy: mean(all.map((difference) => Number(difference > 0))),
      margin: mean(all),
      pairs: all.length,
    };
  }

  dispose(): void {
    this.compiled?.differences.dispose();
    this.compiled = undefined;
    this.parts.dataset.dispose?.();
  }

  private differencesOf(model: Model): Differences {
    if (this.compiled?.model === model) return this.compiled.differences;
    this.compiled?.differences.dispose();
    const { perToken } = this.options;
    const differences = this.parts.engine.jit(
      (parameters: Parameters, batch: BatchTensors): tf.Tensor1D => {
        const { sums, counts } = answerLogProbabilities(model, parameters, batch, { training: false });
        const [chosen, rejected] = answersOf(perToken ? tf.div(sums, tf.maximum(counts, 1)) : sums);
        return tf.sub(chosen, rejected);
      },
      { name: 'preferences' },
    );
    this.compiled = { model, differences };
    return differences;
  }

  private async *batches(model: Model): AsyncGenerator<HostFields> {
    const { dataset, random } = this.parts;
    const { tokenizer, tokenizers } = dataset;
    const { batches, batchSize, padToMultipleOf } = this.options;
    await dataset.restore(this.start);
    let made = 0;
    let items: HostFields[] = [];
    const prepared = (): HostFields => {
      const context = { model, tokenizer, tokenizers, random, partOfBatch: true };
      const fields = preferenceBatch(items, { truncate: false, padToMultipleOf }, context);
      items = [];
      made++;
      return fields;
    };
    for await (const item of watchedItems(dataset)) {
      checkFields(item, PREFERENCE_FIELDS, `Held-out pair ${made * batchSize + items.length + 1}`);
      if (items.push(item) < batchSize) continue;
      yield prepared();
      if (made === batches) return;
    }
    if (items.length > 0) yield prepared();
  }
}

function nothingHeldOut(): DataError {
  return new DataError('The dataset of the evaluator "preferences" gave no pair of answers.', {
    code: 'data.empty',
    exitCode: 2,
    hint: 'Look at its files, and at the fraction held out (split.holdOut).',
  });
}

export const preferenceEvaluator = defineComponent({
  interface: 'evaluator',
  id: 'preferences',
  description: 'how often a model gives the better of two answers the larger probability',
  options: preferenceEvaluatorOptions,
  useFactory: async ({ options, components, engine, random }) => {
    const { dataset, ...settings } = options;
    return new PreferenceEvaluator({ engine, dataset: await components.create('dataset', dataset), random }, settings);
  },
});
