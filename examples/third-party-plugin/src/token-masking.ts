/** Shapes: B batch, L longest sequence of the batch (rounded up), V vocabulary, N = B * L. */
import {
  checkFields,
  DataError,
  defineComponent,
  exampleRandom,
  FIELDS,
  IGNORED_LABEL,
  type BatchTensors,
  type FieldSpec,
  type HostFields,
  type LossOutput,
  type Model,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
  type RandomStream,
} from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';
import { maskOf, padRows } from './rows';

export const tokenMaskingOptions = z.strictObject({
  /** Share of the tokens that are masked for the encoder, between 0 and 1; at least one token of every text. */
  rate: z.number().gt(0).max(1).default(0.3),
  /** The token id that the encoder reads instead. In Gemma's vocabulary 4 is `<mask>`. */
  maskToken: z.int().nonnegative().default(4),
  /**
   * Label smoothing: share of the label's probability that is spread over the whole vocabulary, from 0 (none) to below
   * 1.
   */
  labelSmoothing: z.number().min(0).lt(1).default(0),
  /** Lengths are padded to multiples of this many tokens: every new length is compiled again. */
  padToMultipleOf: z.int().positive().default(32),
});

export type TokenMaskingOptions = z.output<typeof tokenMaskingOptions>;

const TOKENS: FieldSpec = { name: 'tokens', dtype: 'int32', rank: 1, meaning: 'token ids of one piece of text' };

/**
 * Denoising by token masking: the encoder reads a text in which some tokens are replaced by the mask, the decoder
 * writes the original text. With rate 0.5, mask 4, pad 0 and start 2, the tokens [7, 8, 9, 1] may become
 *
 *     input_ids         [7, 4, 4, 1]
 *     decoder_input_ids [2, 7, 8, 9]
 *     labels            [7, 8, 9, 1]
 */
export class TokenMasking implements Objective {
  readonly batchFields: readonly FieldSpec[] = Object.values(FIELDS).map((name) => ({ name, dtype: 'int32', rank: 2 }));

  constructor(private readonly options: TokenMaskingOptions) {}

  /** Ready batches are not supported: they are already masked, or not meant to be. */
  inputFields(kind: ObjectiveSource['kind']): readonly FieldSpec[] | undefined {
    return kind === 'examples' ? [TOKENS] : undefined;
  }

  /**
   * On the host, while the step before is computed. Random numbers come only from `context`, which makes runs
   * reproducible.
   */
  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    const { model } = context;
    this.checkModel(model);
    const examples = source.kind === 'examples' ? source.examples : [];
    const texts = examples.map((example, i) => {
      const where = `Example ${i} of the batch`;
      checkFields(example, [TOKENS], where);
      const { values } = example.tokens;
      if (values.length === 0) throw new DataError(`${where} has no tokens.`, { code: 'denoising.empty' });
      return values;
    });
    const masked = texts.map((text, i) => this.mask(text, exampleRandom(context, i)));
    const { padToMultipleOf } = this.options;
    const length = Math.ceil(Math.max(...texts.map((text) => text.length)) / padToMultipleOf) * padToMultipleOf;
    const { pad, start } = model.specialTokens;
    const mask = maskOf(texts, length);
    return {
      input_ids: padRows(masked, length, pad), // [B, L]
      attention_mask: mask,
      decoder_input_ids: padRows(
        texts.map((text) => [start, ...text.slice(0, -1)]),
        length,
        pad,
      ),
      decoder_attention_mask: mask,
      labels: padRows(texts, length, IGNORED_LABEL),
    };
  }

  /** Compiled into the training step: pure tf code, which never reads a value or branches on one. */
  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor },
  ): LossOutput {
    const { labels, ...inputs } = batch;
    const { logits } = model.forward(parameters, inputs, options);
    const flat = tf.reshape(labels, [-1]).toInt(); // [N]
    const counted = tf.notEqual(flat, IGNORED_LABEL).toFloat(); // [N]
    const vocabulary = model.vocabularySize;
    // An ignored label has no class and no weight, so any class will do.
    const classes = tf.oneHot(tf.maximum(flat, 0).toInt(), vocabulary).toFloat(); // [N, V]
    const perToken = tf.reshape(logits, [-1, vocabulary]); // [N, V]
    const loss = tf.losses.softmaxCrossEntropy(classes, perToken, counted, this.options.labelSmoothing);
    const right = tf.equal(tf.argMax(perToken, 1).toInt(), flat).toFloat(); // [N]
    const tokens = tf.sum<tf.Scalar>(counted);
    return { loss: loss.asScalar(), metrics: { accuracy: tf.div(tf.sum(right), tf.maximum(tokens, 1)).asScalar() } };
  }

  private mask(text: ArrayLike<number>, random: RandomStream): Int32Array {
    const count = Math.max(1, Math.round(text.length * this.options.rate));
    const masked = Int32Array.from(text);
    for (const place of random.permutation(text.length).subarray(0, count)) masked[place] = this.options.maskToken;
    return masked;
  }

  private checkModel({ kind, vocabularySize }: Model): void {
    if (kind !== 'encoder-decoder') {
      throw new DataError(`The objective "token-masking" trains encoder-decoder models, but this model is ${kind}.`, {
        code: 'denoising.model-kind',
        exitCode: 2,
      });
    }
    const { maskToken } = this.options;
    if (maskToken >= vocabularySize) {
      throw new DataError(
        `objective.maskToken is ${maskToken}, but the model's vocabulary has ${vocabularySize} tokens (0 to ${vocabularySize - 1}).`,
        { code: 'denoising.mask-token', exitCode: 2, hint: 'Name an id that no text of yours has.' },
      );
    }
  }
}

export const tokenMasking = defineComponent({
  interface: 'objective',
  id: 'token-masking',
  description: 'the decoder restores a text of which the encoder sees some tokens masked',
  options: tokenMaskingOptions,
  useFactory: ({ options }) => new TokenMasking(options),
});
