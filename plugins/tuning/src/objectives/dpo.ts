/** Shapes: B pairs of answers. */
import {
  defineComponent,
  DataError,
  parseOptions,
  type BatchTensors,
  type FieldSpec,
  type HostFields,
  type Logger,
  type LossOutput,
  type Model,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
  type SampleContext,
  type SettleContext,
  type Settled,
} from '@graft/core';
import { tf, withoutGradient } from '@graft/engine';
import { languageModelLoss } from '@graft/objectives';
import { z } from 'zod';
import { PREFERENCE_BATCH_FIELDS, PREFERENCE_FIELDS, preferenceBatch, REJECTED } from '../batch/preference-batch';
import { answerLogProbabilities, answersOf } from '../loss/answer-log-probabilities';
import { PREFERENCE_LOSSES, preferenceLosses } from '../loss/preference-loss';
import { KEPT_FIELD, keepReferenceOption, KeptReference } from '../reference/kept-reference';
import { Reference, referenceDigests, referenceOption } from '../reference/reference';

/** The options of the objective `dpo`. */
export const dpoOptions = z
  .strictObject({
    loss: z
      .enum(PREFERENCE_LOSSES)
      .default('sigmoid')
      .describe(
        'The loss of a pair: of DPO (`sigmoid`), the same for pairs of which some are mislabelled (`robust`), of SLiC (`hinge`) or of IPO (`ipo`).',
      ),
    beta: z
      .number()
      .positive()
      .default(0.1)
      .describe('What log-ratios are multiplied by to be rewards; the larger, the closer to the reference.'),
    labelSmoothing: z
      .number()
      .min(0)
      .lt(0.5)
      .default(0)
      .describe('Share of the pairs that are taken to be in the wrong order. Of `sigmoid` and `robust`.'),
    perToken: z
      .boolean()
      .default(false)
      .describe('Takes the mean log-ratio of the tokens of an answer in place of the sum: length-normalised.'),
    margin: z
      .number()
      .min(0)
      .default(0)
      .describe("How much larger the reward of the chosen answer is to be: SimPO's gamma. Of `sigmoid`."),
    reference: referenceOption,
    keepReference: keepReferenceOption,
    maxSourceTokens: z
      .int()
      .positive()
      .optional()
      .describe('Longest prompt in tokens; a longer one is an error that names the length needed. Default: no limit.'),
    maxTargetTokens: z
      .int()
      .positive()
      .optional()
      .describe('Longest answer in tokens, end of sequence included. Default: no limit.'),
    truncate: z.boolean().default(false).describe('Cuts the ends of longer sequences instead.'),
    padToMultipleOf: z
      .int()
      .positive()
      .default(32)
      .describe('Lengths are padded to multiples of this many tokens: every new length is compiled again.'),
    chunkTokens: z
      .int()
      .positive()
      .optional()
      .describe('Tokens whose logits are in memory together; they are computed again for the gradient. Default: all.'),
  })
  .refine(({ loss, labelSmoothing }) => labelSmoothing === 0 || loss === 'sigmoid' || loss === 'robust', {
    path: ['labelSmoothing'],
    error: 'belongs to `loss: sigmoid` and `loss: robust`',
  })
  .refine(({ loss, labelSmoothing }) => labelSmoothing > 0 || loss !== 'robust', {
    path: ['labelSmoothing'],
    error: '`loss: robust` needs the share of mislabelled pairs, above 0; with 0 it is `sigmoid`',
  })
  .refine(({ reference, keepReference }) => keepReference === false || reference !== 'none', {
    path: ['keepReference'],
    error: 'there is no reference whose log-probabilities could be kept (`reference: none`)',
  })
  .refine(({ loss, margin }) => margin === 0 || loss === 'sigmoid', {
    path: ['margin'],
    error: 'belongs to `loss: sigmoid`',
  });

/** What a config or code may write. */
export type DpoOptions = z.input<typeof dpoOptions>;
/** The same with every default filled in. */
export type ResolvedDpoOptions = z.output<typeof dpoOptions>;

/**
 * Direct preference optimization: learns from pairs of answers to a prompt which of them is better, relative to a
 * reference model that stays as it is. An answer's reward is `beta` times the log of its probability over that under the
 * reference; without a reference, times the log of its probability (SimPO, with `perToken` and a `margin`).
 *
 * Of an encoder-decoder, the encoder reads a prompt once for both answers.
 *
 * An evaluation measures the cross-entropy of the chosen answers, and needs no reference.
 */
export class Dpo implements Objective {
  readonly batchFields: readonly FieldSpec[];
  /** Adds what is kept of the reference; absent where nothing is kept. */
  readonly sample?: (batch: HostFields, context: SampleContext) => Promise<HostFields>;
  private readonly options: ResolvedDpoOptions;
  private readonly kept?: KeptReference;

  /**
   * `reference`: required for training, unless the options say that there is none. The objective owns it. `logger`: gets
   * a word about what is kept of it. Default: nobody.
   */
  constructor(
    options: DpoOptions = {},
    private readonly reference?: Reference,
    logger?: Logger,
  ) {
    this.options = parseOptions(dpoOptions, options, 'Dpo');
    const { keepReference, chunkTokens } = this.options;
    this.batchFields = [...PREFERENCE_BATCH_FIELDS, ...(keepReference !== false ? [KEPT_FIELD] : [])];
    if (keepReference === false || !reference) return;
    const folder = keepReference === true ? undefined : keepReference.folder;
    const kept = new KeptReference(reference, { chunkTokens, folder, logger });
    this.kept = kept;
    this.sample = async (batch, context) => ({ ...batch, [KEPT_FIELD.name]: await kept.field(batch, context) });
  }

  /** The chosen answer and the rejected one. */
  targetsPerRow(): number {
    return 2;
  }

  get chunkTokens(): number | undefined {
    return this.options.chunkTokens;
  }

  /** Refuses an encoder, which has no answers. */
  settle({ model }: SettleContext): Settled {
    if (model.kind === 'encoder-only') {
      throw new DataError('The objective "dpo" trains models that write answers, but this model is an encoder alone.', {
        code: 'objective.model-kind',
        exitCode: 2,
      });
    }
    return { notes: [describe(this.options)], warnings: [], record: {} };
  }

  inputFields(kind: ObjectiveSource['kind']): readonly FieldSpec[] | undefined {
    return kind === 'examples' ? PREFERENCE_FIELDS : undefined;
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    if (source.kind === 'examples') return preferenceBatch(source.examples, this.options, context);
    throw new DataError('The objective "dpo" makes its batches from prompts with two answers each.', {
      code: 'data.contract',
      exitCode: 2,
    });
  }

  /** All positions that the model reads: those of both answers. */
  countTokens(batch: HostFields): number {
    let tokens = 0;
    for (const [name, { values }] of Object.entries(batch))
      if (name.endsWith('attention_mask')) for (const value of values) tokens += value;
    return tokens;
  }

  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    { training, randomKey }: { training: boolean; randomKey?: tf.Tensor },
  ): LossOutput {
    const { chunkTokens, beta } = this.options;
    if (!training) {
      const own = Object.entries(batch).filter(([name]) => !name.startsWith(REJECTED) && name !== KEPT_FIELD.name);
      return languageModelLoss(model, parameters, Object.fromEntries(own), { training }, { chunkTokens });
    }
    const { sums, counts } = answerLogProbabilities(model, parameters, batch, { training, randomKey, chunkTokens });
    const ratios = this.ratios(model, parameters, batch, sums);
    const scores = this.options.perToken ? tf.div<tf.Tensor1D>(ratios, tf.maximum(counts, 1)) : ratios;
    const [chosen, rejected] = answersOf(scores);
    const difference = tf.sub<tf.Tensor1D>(chosen, rejected);
    const losses = preferenceLosses(difference, this.options);
    const [ofChosen, ofRejected] = answersOf(sums);
    const mean = (x: tf.Tensor, factor = 1): tf.Scalar => withoutGradient(() => tf.mul(tf.mean(x), factor));
    return {
      loss: tf.mean(losses),
      weight: tf.scalar(losses.size),
      metrics: {
        rewardAccuracy: mean(tf.greater(difference, 0).toFloat()),
        rewardMargin: mean(difference, beta),
        chosenReward: mean(chosen, beta),
        rejectedReward: mean(rejected, beta),
        chosenLogProbability: mean(ofChosen),
        rejectedLogProbability: mean(ofRejected),
      },
      sums: { targetTokens: tf.sum(counts) },
    };
  }

  /** Log-probabilities [2B] over those under the reference. */
  private ratios(model: Model, parameters: Parameters, batch: BatchTensors, sums: tf.Tensor1D): tf.Tensor1D {
    const { reference } = this;
    const { chunkTokens, reference: option } = this.options;
    if (option === 'none') return sums;
    const known = batch[KEPT_FIELD.name] as tf.Tensor | undefined;
    if (known) return tf.sub(sums, tf.reshape(known, [-1]));
    if (!reference) {
      throw new DataError('The objective "dpo" was made without its reference, so it cannot train.', {
        code: 'preferences.no-reference',
        hint: 'Create it with the purpose `training`, or give its constructor a Reference.',
      });
    }
    const fixed = withoutGradient(() => {
      const { model: other, parameters: own } = reference.for(model, parameters);
      return answerLogProbabilities(other, own, batch, { training: false, chunkTokens }).sums;
    });
    return tf.sub(sums, fixed);
  }

  fileDigests(): Promise<Record<string, string>> {
    return referenceDigests(this.options.reference);
  }

  dispose(): void {
    this.kept?.dispose();
    this.reference?.dispose();
  }
}

function describe({ loss, beta, margin, perToken, reference }: ResolvedDpoOptions): string {
  const of =
    reference === 'none'
      ? 'without a reference'
      : reference === 'initial'
        ? 'against the model that the run begins with'
        : `against ${reference.checkpoint}`;
  const more = `${perToken ? ', per token' : ''}${margin > 0 ? `, margin ${margin}` : ''}`;
  return `Preferences: loss ${loss}, beta ${beta}${more}, ${of}`;
}

export const dpo = defineComponent({
  interface: 'objective',
  id: 'dpo',
  description: 'direct preference optimization, and SimPO, IPO and SLiC: learns which of two answers is better',
  options: dpoOptions,
  useFactory: async (context) => {
    const { options, purpose } = context;
    const { reference } = options;
    const needs = purpose === 'training' && reference !== 'none';
    return new Dpo(options, needs ? await Reference.open(reference, context) : undefined, context.logger);
  },
});
