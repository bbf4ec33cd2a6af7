/** Shapes: n tokens of an example, S source length, T target length. */
import {
  DataError,
  defineComponent,
  exampleRandom,
  modelInput,
  modelInputSurplus,
  parseOptions,
  tokensOfSide,
  type FieldSpec,
  type HostFields,
  type Model,
  type ObjectiveContext,
  type ObjectiveSource,
} from '@graft/core';
import { z } from 'zod';
import { distillationOptions } from '../distillation/distillation';
import type { TeacherTargets } from '../distillation/teacher-targets';
import { requireModelKind, TEXT_FIELDS } from '../batch/fields';
import { lossOptions } from '../loss/language-model-loss';
import { roundUp } from '../batch/padding';
import { dividedText, inDecoderIds, someSource } from '../batch/side-sequences';
import { Seq2Seq } from './seq2seq';
import { batchOfRows, isPacked, segmentsOfExample, tokensOf } from '../batch/sequence-rows';
import { openTeacher, TaughtLanguageModelObjective } from './taught-language-model';

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
 * and the source is the text before them in the encoder's tokens; neither divides a character. Each segment of a row with
 * `segments` is split separately; a segment of a single token has nothing to predict and is omitted. With `split:
 * random`, both sides are padded to the length of the whole sequence, so that one compiled step serves every split.
 */
export class PrefixLm extends TaughtLanguageModelObjective<ResolvedPrefixLmOptions> {
  /** A ready batch already consists of source and target; it is completed as for `seq2seq`. */
  private readonly ready = new Seq2Seq();

  constructor(given: PrefixLmOptions = {}, teacher?: TeacherTargets) {
    super(parseOptions(prefixLmOptions, given, 'PrefixLm'), teacher);
  }

  inputFields(kind: ObjectiveSource['kind']): readonly FieldSpec[] {
    return kind === 'examples' ? TEXT_FIELDS : this.ready.inputFields('batch');
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    this.checkSources(source, context.model);
    const batch = source.kind === 'batch' ? this.ready.prepare(source, context) : this.split(source.examples, context);
    const padTo = source.kind === 'batch' ? 1 : this.options.padToMultipleOf;
    const read = context.tokenizers ? inDecoderIds(context.model) : context.model;
    if (!this.teacher || read === context.model || source.kind === 'batch')
      return this.withTeacher(batch, padTo, context);
    const ofTeacher = { ...context, model: read };
    return { ...batch, ...this.teacherFields(this.split(source.examples, ofTeacher), padTo, ofTeacher) };
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
  useFactory: async (context) => new PrefixLm(context.options, await openTeacher(context)),
});
