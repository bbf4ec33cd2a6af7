/** Shapes: n tokens of an example, S source length, T target length. */
import {
  DataError,
  defineComponent,
  exampleRandom,
  modelInput,
  modelInputSurplus,
  parseOptions,
  tokensOfSide,
  type BatchTensors,
  type FieldSpec,
  type HostFields,
  type LossOutput,
  type Model,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
} from '@graft/core';
import type { tf } from '@graft/engine';
import { z } from 'zod';
import { openCachedTeacher } from '../distillation/cached-teacher';
import { distillationOptions, loadTeacher } from '../distillation/distillation';
import type { ObjectiveTeacher, TaughtObjective } from '../distillation/taught-objective';
import type { TeacherTargets } from '../distillation/teacher-targets';
import { distillationLoss } from '../distillation/distillation-loss';
import { requireModelKind, ENCODER_DECODER_FIELDS, optional, TEXT_FIELDS } from '../batch/fields';
import { lossOptions } from '../loss/language-model-loss';
import { roundUp } from '../batch/padding';
import { dividedText, inDecoderIds, someSource } from '../batch/side-sequences';
import { LanguageModelObjective } from './language-model-objective';
import { Seq2Seq } from './seq2seq';
import { cacheFingerprint, teacherFingerprint } from '../distillation/cache-format';
import { batchOfRows, isPacked, segmentsOfExample, tokensOf } from '../batch/sequence-rows';

/** The options of the objective `prefix-lm`. */
export const prefixLmOptions = z.strictObject({
  split: z
    .enum(['half', 'random'])
    .default('half')
    .describe('Where the prefix ends: in the middle (paper, section 3.3), or anywhere with equal chance.'),
  padToMultipleOf: z
    .int()
    .positive()
    .default(32)
    .describe('Lengths are padded to multiples of this many tokens: every new length is compiled again.'),
  distillation: distillationOptions
    .optional()
    .describe('A teacher whose distributions the student learns beside the labels (paper, section 3.3).'),
  ...lossOptions,
});

/** What a config or code may write. */
export type PrefixLmOptions = z.input<typeof prefixLmOptions>;
/** The same with every default filled in. */
export type ResolvedPrefixLmOptions = z.output<typeof prefixLmOptions>;

/**
 * Prefix language modelling for encoder-decoder models: the encoder reads the first part of a sequence, and the decoder
 * predicts the rest. The end of sequence is an ordinary token here; the Dataset adds it.
 *
 *     tokens [5, 6, 7, 8, 9, 1], pad 0, start 2, padToMultipleOf 1
 *       input_ids         [5, 6, 7]
 *       decoder_input_ids [2, 8, 9]
 *       labels            [8, 9, 1]
 *
 * An example's `weights` determine how much each of its tokens counts as a label. If the number of tokens is odd, the
 * target is the longer half. If the data have a tokenizer for each side, the target consists of the sequence's tokens,
 * and the source is the text before them in the encoder's tokens; neither divides a character. Each segment of a row with `segments` is split separately; a segment of a single token has
 * nothing to predict and is omitted. With `split: random`, both sides are padded to the length of the whole sequence,
 * so that one compiled step serves every split.
 */
export class PrefixLm extends LanguageModelObjective<ResolvedPrefixLmOptions> implements TaughtObjective {
  readonly modelKind = 'encoder-decoder';
  readonly batchFields: readonly FieldSpec[];
  readonly teachers: readonly ObjectiveTeacher[];
  /** A ready batch already consists of source and target; it is completed as for `seq2seq`. */
  private readonly ready = new Seq2Seq();

  constructor(
    given: PrefixLmOptions = {},
    private readonly teacher?: TeacherTargets,
  ) {
    const options = parseOptions(prefixLmOptions, given, 'PrefixLm');
    super(options);
    const { distillation } = options;
    this.teachers = distillation ? [{ section: ['distillation'], distillation }] : [];
    const settings = teacher?.options;
    const idle = (['labelSmoothing', 'zLoss'] as const).find((name) => (options[name] ?? 0) > 0);
    if (settings?.alpha === 0 && idle) {
      throw new DataError(
        `objective.${idle} is of the labels' cross-entropy, which has no part in the loss with distillation.${(settings.loss ?? 'blend') === 'blend' ? 'alpha 0' : `loss ${settings.loss}`}.`,
        { code: 'distillation.idle-option', exitCode: 2, hint: `Leave ${idle} out.` },
      );
    }
    this.batchFields = [...ENCODER_DECODER_FIELDS, ...(teacher?.batchFields ?? []).map(optional)];
  }

  inputFields(kind: ObjectiveSource['kind']): readonly FieldSpec[] {
    return kind === 'examples' ? TEXT_FIELDS : this.ready.inputFields('batch');
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    this.checkSources(source, context.model);
    const batch = source.kind === 'batch' ? this.ready.prepare(source, context) : this.split(source.examples, context);
    // An evaluation measures only the cross-entropy.
    if (!this.teacher || context.step === undefined) return batch;
    const { model } = context;
    this.teacher.checkStudent(model);
    const padTo = source.kind === 'batch' ? 1 : this.options.padToMultipleOf;
    const read = context.tokenizers ? inDecoderIds(model) : model;
    const shown =
      read === model || source.kind === 'batch' ? batch : this.split(source.examples, { ...context, model: read });
    return { ...batch, ...this.teacher.fields(shown, padTo, read, (row) => exampleRandom(context, row)) };
  }

  /** A teacher has the decoder's vocabulary; texts are encoded for it, but ready batches are not. */
  private checkSources(source: ObjectiveSource, model: Model): void {
    const { vocabularySize } = model;
    const ofEncoder = tokensOfSide(model, 'encoder').vocabularySize;
    if (source.kind === 'examples' || !this.options.distillation || ofEncoder === vocabularySize) return;
    throw new DataError(
      `The sources of ready batches are of the encoder's vocabulary of ${ofEncoder} tokens, but the teacher reads the decoder's of ${vocabularySize}.`,
      { code: 'distillation.vocabulary', exitCode: 2, hint: 'Give texts, which are encoded for both.' },
    );
  }

  override loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor },
  ): LossOutput {
    if (!this.teacher || !options.training) return super.loss(model, parameters, batch, options);
    return distillationLoss(model, parameters, batch, options, this.options, this.teacher);
  }

  async fileDigests(): Promise<Record<string, string>> {
    const { teacher, cache } = this.options.distillation ?? {};
    return {
      ...(teacher !== undefined && { [`the teacher ${teacher}`]: await teacherFingerprint(teacher) }),
      ...(cache !== undefined && { [`the teacher's cache ${cache}`]: await cacheFingerprint(cache) }),
    };
  }

  dispose(): void {
    this.teacher?.dispose();
  }

  private split(examples: readonly HostFields[], context: ObjectiveContext): HostFields {
    const { model } = context;
    requireModelKind(model, 'encoder-decoder', 'prefix-lm', 'Use `causal-lm` for a decoder-only model.');
    const half = this.options.split === 'half';
    const rows = examples.map((example, i) => {
      const where = `Example ${i} of the batch`;
      const parts = segmentsOfExample(example, model, 'a prefix and a target need', where);
      const { tokens, weights } = example;
      const random = exampleRandom(context, i);
      return parts.map(({ start, end }) => {
        const own = tokens.values.subarray(start, end) as Int32Array;
        const text = dividedText(own, context, where);
        const cut = text.cutNear(half ? Math.floor(own.length / 2) : 1 + random.integer(own.length - 1));
        return {
          source: modelInput(model, someSource(text.read(0, cut), where)),
          target: own.subarray(cut),
          weights: weights?.values.subarray(start + cut, end),
        };
      });
    });
    const packed = isPacked(examples);
    const isTwo = context.tokenizers !== undefined;
    const longest = (side: 'source' | 'target'): number => {
      const lengths = examples.map(({ tokens: { values } }, i) => {
        // How long a text is in the encoder's tokens is known only when it is encoded.
        if (isTwo && side === 'source') return tokensOf(rows[i], side);
        const around = side === 'source' ? rows[i].length * modelInputSurplus(model) : 0;
        if (!half) return values.length - 1 + around;
        // The halves of rows with segments vary by a few tokens: a common minimum keeps the number of shapes small.
        return Math.max(tokensOf(rows[i], side), packed ? Math.floor(values.length / 2) + around : 0);
      });
      return roundUp(Math.max(0, ...lengths), this.options.padToMultipleOf);
    };
    const layout = { sourceLength: longest('source'), targetLength: longest('target'), packed };
    return batchOfRows(rows, layout, context, 'The prefix-lm batch');
  }
}

export const prefixLm = defineComponent({
  interface: 'objective',
  id: 'prefix-lm',
  description: 'the encoder reads the first part of a sequence, the decoder predicts the rest',
  options: prefixLmOptions,
  useFactory: async (context) => {
    const { options, purpose } = context;
    const { distillation } = options;
    // Only the training loss needs a teacher.
    if (!distillation || purpose !== 'training') return new PrefixLm(options);
    const { teacher, cache } = distillation;
    if (cache !== undefined) return new PrefixLm(options, await openCachedTeacher({ ...distillation, cache }));
    return new PrefixLm(
      options,
      teacher === undefined ? undefined : await loadTeacher({ ...distillation, teacher }, context),
    );
  },
});
