import {
  DataError,
  IGNORED_LABEL,
  allLabelsIgnored,
  PluginError,
  checkFields,
  checkSource,
  componentOption,
  defineComponent,
  parseOptions,
  checkSides,
  tokenizerClash,
  uploadBatch,
  watchedItems,
  type BatchTensors,
  type ComponentContext,
  type ComponentSpec,
  type Dataset,
  type EvaluationContext,
  type Evaluator,
  type HostFields,
  type JsonValue,
  type Logger,
  type Model,
  type Objective,
  type ObjectiveSource,
  type Parameters,
  type RandomStream,
  type TokenizerFacts,
} from '@graft/core';
import { tf, type Engine, type Jitted } from '@graft/engine';
import { z } from 'zod';

/** The options of the evaluator `loss`. */
export const lossEvaluatorOptions = z.strictObject({
  dataset: componentOption('dataset').describe('Where the held-out sequences or batches come from.'),
  objective: componentOption('objective').optional().describe("What to measure. Default: the run's own objective."),
  batches: z
    .int()
    .positive()
    .default(16)
    .describe('Batches to measure. A dataset that ends earlier is measured whole.'),
  batchSize: z
    .int()
    .positive()
    .default(8)
    .describe('Sequences in a batch; of no effect on ready batches, nor on the result.'),
});

/** What a config or code may write. */
export type LossEvaluatorOptions = z.input<typeof lossEvaluatorOptions>;
/** The same with every default filled in. */
export type ResolvedLossEvaluatorOptions = z.output<typeof lossEvaluatorOptions>;

/** The options that remain once the parts have been created. */
const sizeOptions = lossEvaluatorOptions.pick({ batches: true, batchSize: true });

type Loss = Jitted<[Parameters, BatchTensors, string | undefined], tf.Scalar>;

interface Parts {
  readonly engine: Engine;
  readonly dataset: Dataset;
  readonly objective: Objective;
  readonly random: RandomStream;
  readonly logger?: Logger;
}

/**
 * Held-out loss. Returns `loss` (nats per target token), `perplexity` (its exponential) and `tokens` (number of target
 * tokens measured). If the dataset's tokenizer knows the bytes of its tokens, also `bitsPerByte` (the same loss in bits
 * per byte of the target text) and `bytes` (their number), which compare models with different tokenizers. Tokens that
 * stand for no text, such as end tokens, have their loss and no bytes. Every evaluation uses the same batches, whatever
 * the step and the state of the training data. For a mixture, it measures each part separately: `loss/<part>` and so on.
 */
export class LossEvaluator implements Evaluator {
  private readonly start: JsonValue;
  private readonly options: z.output<typeof sizeOptions>;
  private compiled: { model: Model; loss: Loss } | undefined;

  constructor(
    private readonly parts: Parts,
    options: Pick<LossEvaluatorOptions, 'batches' | 'batchSize'> = {},
  ) {
    this.options = parseOptions(sizeOptions, options, 'LossEvaluator');
    const { dataset, objective } = parts;
    checkSource(dataset, objective, { dataset: "the evaluator's dataset", objective: "the evaluator's objective" });
    this.start = dataset.position();
  }

  /** Whether there are numbers of bytes is known when the first tokens are. */
  get metricNames(): readonly string[] {
    const names = ['loss', 'perplexity', 'tokens', 'bitsPerByte', 'bytes'];
    const { variants } = this.parts.objective;
    return variants ? variants.flatMap((variant) => names.map((name) => `${name}/${variant}`)) : names;
  }

  /**
   * Throws DataError if there is nothing to measure, so that the run fails before the training rather than after it.
   */
  async check({ model }: Pick<EvaluationContext, 'model'>): Promise<void> {
    const { dataset, objective } = this.parts;
    for (const variant of objective.variants ?? [undefined]) {
      await dataset.restore(this.start);
      dataset.select?.(variant);
      const first = this.batches(model, variant);
      const { done } = await first.next();
      await first.return(undefined);
      if (done) throw nothingHeldOut(variant);
    }
    await dataset.restore(this.start);
  }

  async evaluate(context: EvaluationContext): Promise<Record<string, number>> {
    const { variants } = this.parts.objective;
    if (!variants) return this.measure(context, undefined);
    const numbers: [string, number][] = [];
    for (const variant of variants) {
      const own = await this.measure(context, variant);
      numbers.push(...Object.entries(own).map(([name, value]): [string, number] => [`${name}/${variant}`, value]));
    }
    return Object.fromEntries(numbers);
  }

  private async measure(
    { model, parameters, signal, progress }: EvaluationContext,
    variant: string | undefined,
  ): Promise<Record<string, number>> {
    const loss = this.lossOf(model);
    let sum = 0;
    let weight = 0;
    let tokens = 0;
    const text = { weight: 0, bytes: 0 };
    let measured = 0;
    await this.parts.dataset.restore(this.start);
    this.parts.dataset.select?.(variant);
    for await (const fields of this.batches(model, variant)) {
      signal?.throwIfAborted();
      progress?.({ done: measured, total: this.total(), unit: 'batches', part: variant });
      measured++;
      const counted = countTargets(fields, this.parts.dataset.tokenizer);
      if (counted.weight === 0) continue;
      const batch = uploadBatch(fields);
      let mean: tf.Scalar | undefined;
      try {
        mean = await loss.async(parameters, batch, variant);
        // Weighted by target tokens, so that neither the batch size nor a short last batch affects the result.
        sum += (await mean.data())[0] * counted.weight;
        weight += counted.weight;
        tokens += counted.labels;
        text.weight += counted.weightOfBytes;
        text.bytes += counted.bytes;
      } finally {
        mean?.dispose();
        tf.dispose(batch);
      }
    }
    if (measured > 0 && weight === 0) throw allLabelsIgnored("The evaluator's dataset");
    if (measured === 0) throw nothingHeldOut(variant);
    const perByte: Record<string, number> =
      text.weight > 0 ? { bitsPerByte: sum / text.weight / Math.LN2, bytes: text.bytes } : {};
    return { loss: sum / weight, perplexity: Math.exp(sum / weight), tokens, ...perByte };
  }

  /** Number of batches to measure: fewer than `batches` if the dataset is known to be shorter. */
  private total(): number {
    const { dataset } = this.parts;
    const { batches, batchSize } = this.options;
    if (dataset.length === undefined) return batches;
    return Math.min(batches, Math.ceil(dataset.length / (dataset.kind === 'batch' ? 1 : batchSize)));
  }

  dispose(): void {
    this.compiled?.loss.dispose();
    this.compiled = undefined;
    this.parts.dataset.dispose?.();
  }

  private lossOf(model: Model): Loss {
    if (this.compiled?.model !== model) {
      this.compiled?.loss.dispose();
      const { dataset, logger } = this.parts;
      checkSides(dataset, model, "The evaluator's data");
      const clash = tokenizerClash(dataset.tokenizer, model, dataset.tokenizers?.encoder);
      if (clash !== undefined) logger?.warn(`The evaluator's dataset: ${clash}`);
      const { engine, objective } = this.parts;
      const loss = engine.jit(
        (parameters: Parameters, batch: BatchTensors, variant: string | undefined) =>
          objective.loss(model, parameters, batch, { training: false, variant }).loss,
        { name: 'heldOutLoss' },
      );
      this.compiled = { model, loss };
    }
    return this.compiled.loss;
  }

  private async *batches(model: Model, variant: string | undefined): AsyncGenerator<HostFields> {
    const { dataset, objective, random } = this.parts;
    const size = dataset.kind === 'batch' ? 1 : this.options.batchSize;
    let made = 0;
    let firstExample = 0;
    const prepare = (items: readonly HostFields[]): HostFields => {
      // Draws depend on the example only, so that any batchSize yields the same ones. A batch whose labels are all
      // ignored is not an error, because others may have labels.
      const { tokenizer, tokenizers } = dataset;
      const of = { tokenizer, tokenizers };
      const context = { model, ...of, variant, random: random.fork('examples'), firstExample, partOfBatch: true };
      firstExample += items.length;
      made++;
      const source: ObjectiveSource =
        dataset.kind === 'batch' ? { kind: 'batch', batch: items[0] } : { kind: 'examples', examples: items };
      const fields = objective.prepare(source, context);
      checkFields(fields, objective.batchFields, `Held-out batch ${made}`);
      return fields;
    };
    let items: HostFields[] = [];
    const examples = { model, random: random.fork('examples'), variant };
    const cut = (): void => dataset.cut?.(objective.exampleTokens?.(examples, firstExample + items.length));
    cut();
    for await (const item of watchedItems(dataset)) {
      items.push(item);
      cut();
      if (items.length < size) continue;
      yield prepare(items);
      items = [];
      if (made === this.options.batches) return;
    }
    if (items.length > 0) yield prepare(items);
  }
}

function nothingHeldOut(variant: string | undefined): DataError {
  const part = variant === undefined ? '' : ` for "${variant}"`;
  return new DataError(`The evaluator's dataset gave no batch${part}, so there is no held-out loss.`, {
    code: 'data.empty',
    exitCode: 2,
    hint: 'Look at its files, and at the fraction held out (split.holdOut).',
  });
}

interface CountedTargets {
  /** Number of labels that count, and their total weight. */
  readonly labels: number;
  readonly weight: number;
  /** UTF-8 bytes of these labels, and their total weight, each with that of its label; 0 if they are unknown. */
  readonly bytes: number;
  readonly weightOfBytes: number;
}

/** A batch without labels counts as one label of weight 1. */
function countTargets(
  { labels, label_weights: weights }: HostFields,
  tokenizer: TokenizerFacts | undefined,
): CountedTargets {
  const counted = { labels: 0, weight: 0, bytes: 0, weightOfBytes: 0 };
  if (!labels) return { ...counted, labels: 1, weight: 1 };
  labels.values.forEach((label, i) => {
    if (label === IGNORED_LABEL) return;
    const weight = weights ? weights.values[i] : 1;
    const bytes = tokenizer?.byteLength?.(label) ?? 0;
    counted.labels++;
    counted.weight += weight;
    counted.bytes += bytes;
    counted.weightOfBytes += weight * bytes;
  });
  return counted;
}

/** The objective of the run that the evaluator works for. */
function runObjective({ run }: ComponentContext<ResolvedLossEvaluatorOptions>): ComponentSpec {
  if (run?.trainingObjective) return run.trainingObjective;
  throw new PluginError('The evaluator "loss" names no objective, and the config has none that it could measure.', {
    code: 'evaluator.objective',
    exitCode: 2,
    hint: 'Set its option `objective`, such as `objective: prefix-lm`, or the `objective` of the config.',
  });
}

export const lossEvaluator = defineComponent({
  interface: 'evaluator',
  id: 'loss',
  description: 'held-out loss, perplexity and bits per byte of an objective',
  options: lossEvaluatorOptions,
  useFactory: async (context) => {
    const { options, components, engine, random, logger } = context;
    const { batches, batchSize } = options;
    const objective = await components.forEvaluation().create('objective', options.objective ?? runObjective(context));
    const dataset = await components.create('dataset', options.dataset);
    return new LossEvaluator({ engine, dataset, objective, random, logger }, { batches, batchSize });
  },
});
