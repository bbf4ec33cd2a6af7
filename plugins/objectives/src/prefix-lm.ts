/** Shapes: n tokens of an example, S source length, T target length. */
import {
  DataError,
  checkFields,
  checkLabels,
  defineComponent,
  exampleRandom,
  type BatchTensors,
  type FieldSpec,
  type HostFields,
  type LossOutput,
  type Model,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
} from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';
import { maskedCrossEntropy } from './cross-entropy';
import { distillationOptions, loadTeacher, TEACHER_FIELDS, type Teacher } from './distillation';
import { BATCH_FIELDS, checkModelKind, checkTokenIds, EXAMPLE_FIELDS } from './fields';
import { countMaskedTokens, languageModelLoss, lossOptions, type LossSettings } from './language-model-loss';
import { roundUp } from './padding';
import { encoderDecoderBatch, Seq2Seq, seq2seqOptions } from './seq2seq';

export const prefixLmOptions = z.strictObject({
  /** Where the prefix ends: in the middle (paper, section 3.3), or anywhere with equal chance. */
  split: z.enum(['half', 'random']).default('half'),
  /** Lengths are padded to multiples of this many tokens: every new length is compiled anew. */
  padToMultipleOf: z.int().positive().default(32),
  /** A teacher whose distributions the student learns beside the labels (paper, section 3.3). */
  distillation: distillationOptions.optional(),
  ...lossOptions,
});

export type PrefixLmOptions = z.output<typeof prefixLmOptions>;

/**
 * Prefix language modelling for encoder-decoder models: the encoder reads the first part of a sequence, the decoder
 * predicts the rest. The end of sequence is a token like others here; the Dataset puts it there.
 *
 *     tokens [5, 6, 7, 8, 9, 1], pad 0, start 2, padToMultipleOf 1
 *       input_ids         [5, 6, 7]
 *       decoder_input_ids [2, 8, 9]
 *       labels            [8, 9, 1]
 *
 * Of an odd number of tokens the target gets the odd one. With `split: random` both sides are padded to the length of
 * the whole sequence, so that one compiled step serves every split.
 */
export class PrefixLm implements Objective {
  readonly gives: readonly FieldSpec[];
  /** A ready batch is source and target already; completing one is the same as for `seq2seq`. */
  private readonly ready = new Seq2Seq(seq2seqOptions.parse({}));

  constructor(
    private readonly options: Pick<PrefixLmOptions, 'split' | 'padToMultipleOf'> & LossSettings,
    private readonly teacher?: Teacher,
  ) {
    this.gives = [...Object.values(BATCH_FIELDS), ...(teacher ? Object.values(TEACHER_FIELDS) : [])];
  }

  takes(kind: ObjectiveSource['kind']): readonly FieldSpec[] {
    return kind === 'examples' ? [EXAMPLE_FIELDS.tokens] : this.ready.takes('batch');
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    const batch = source.kind === 'batch' ? this.ready.prepare(source, context) : this.split(source.examples, context);
    if (!this.teacher) return batch;
    this.teacher.checkStudent(context.model);
    return { ...batch, ...this.teacher.fields(batch, source.kind === 'batch' ? 1 : this.options.padToMultipleOf) };
  }

  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor },
  ): LossOutput {
    if (!this.teacher) return languageModelLoss(model, parameters, batch, options, this.options);
    if (this.options.chunkTokens !== undefined) {
      throw new DataError(
        'objective.chunkTokens and objective.distillation do not go together: a teacher needs all logits.',
        {
          code: 'objective.chunks',
          exitCode: 2,
          hint: 'Leave chunkTokens out, or lower train.batchSize (or raise train.microBatches) to save memory.',
        },
      );
    }
    const { alpha } = this.teacher.options;
    const { logits } = model.forward(parameters, batch, options);
    const { loss: crossEntropy, count } = maskedCrossEntropy(logits, batch.labels, this.options);
    const divergence = this.teacher.divergence(logits, batch);
    return {
      loss: tf.add(tf.mul(crossEntropy, alpha), tf.mul(divergence, 1 - alpha)).asScalar(),
      weight: count,
      metrics: { crossEntropy, divergence },
      sums: { targetTokens: count },
    };
  }

  countTokens(batch: HostFields): number {
    return countMaskedTokens(batch);
  }

  dispose(): void {
    this.teacher?.dispose();
  }

  private split(examples: readonly HostFields[], context: ObjectiveContext): HostFields {
    const { model } = context;
    checkModelKind(model, 'encoder-decoder', 'prefix-lm', 'Use `causal-lm` for a decoder-only model.');
    const rows = examples.map((example, i) => {
      const where = `Example ${i} of the batch`;
      checkFields(example, [EXAMPLE_FIELDS.tokens], where);
      const { values } = example.tokens;
      if (values.length < 2) {
        throw new DataError(
          `${where}: "tokens" has length ${values.length}, but a prefix and a target need at least 2.`,
          { code: 'data.too-short' },
        );
      }
      checkTokenIds(example.tokens, 'tokens', model.vocabularySize, where);
      const n = values.length;
      const prefix = this.options.split === 'half' ? Math.floor(n / 2) : 1 + exampleRandom(context, i).integer(n - 1);
      return { source: values.subarray(0, prefix), target: values.subarray(prefix), tokens: n };
    });
    const longest = (length: (row: (typeof rows)[number]) => number): number =>
      roundUp(
        rows.reduce((most, row) => Math.max(most, length(row)), 0),
        this.options.padToMultipleOf,
      );
    const anySplit = longest((row) => row.tokens - 1);
    const batch = encoderDecoderBatch(
      rows.map((row) => row.source),
      rows.map((row) => row.target),
      model,
      this.options.split === 'half'
        ? { sourceLength: longest((row) => row.source.length), targetLength: longest((row) => row.target.length) }
        : { sourceLength: anySplit, targetLength: anySplit },
    );
    checkLabels(batch, 'The prefix-lm batch');
    return batch;
  }
}

export const prefixLm = defineComponent({
  interface: 'objective',
  id: 'prefix-lm',
  description: 'the encoder reads the first part of a sequence, the decoder predicts the rest',
  options: prefixLmOptions,
  useFactory: async (context) => {
    const { distillation } = context.options;
    return new PrefixLm(context.options, distillation && (await loadTeacher(distillation, context)));
  },
});
