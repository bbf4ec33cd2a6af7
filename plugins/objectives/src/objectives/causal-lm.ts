/** Shapes: B batch, L length. */
import {
  checkFields,
  defineComponent,
  IGNORED_LABEL,
  parseOptions,
  readsBos,
  type FieldSpec,
  type HostFields,
  type Model,
  type ObjectiveContext,
  type ObjectiveSource,
} from '@graft/core';
import { z } from 'zod';
import {
  BATCH_FIELDS,
  BATCH_SEGMENTS,
  requireModelKind,
  checkSameShape,
  checkText,
  LABEL_WEIGHTS,
  optional,
  TEXT_FIELDS,
} from '../batch/fields';
import { checkedBatch } from '../batch/checked-batch';
import { lossOptions } from '../loss/language-model-loss';
import { nextTokens } from '../batch/next-tokens';
import { onesLike, paddingMask, padRows, padWeights, roundUp } from '../batch/padding';
import { LanguageModelObjective } from './language-model-objective';
import { numberedSegments, segmentsMask, segmentsOf } from '../batch/segments';

/** The options of the objective `causal-lm`. */
export const causalLmOptions = z.strictObject({
  padToMultipleOf: z
    .int()
    .positive()
    .default(32)
    .describe('Lengths are padded to multiples of this many tokens: every new length is compiled again.'),
  ...lossOptions,
});

/** What a config or code may write. */
export type CausalLmOptions = z.input<typeof causalLmOptions>;
/** The same with every default filled in. */
export type ResolvedCausalLmOptions = z.output<typeof causalLmOptions>;

const { inputIds, attentionMask, labels } = BATCH_FIELDS;
const { segmentIds } = BATCH_SEGMENTS;

/**
 * Next-token prediction for decoder-only models. The input begins with the model's start token, unless its policy for
 * special tokens excludes it.
 *
 *     tokens [5, 6, 7, 8, 9, 1], start 2, pad 0, padToMultipleOf 8
 *       input_ids      [2, 5, 6, 7, 8, 9, 0, 0]
 *       attention_mask [1, 1, 1, 1, 1, 1, 0, 0]
 *       labels         [5, 6, 7, 8, 9, 1, -100, -100]
 *
 * In a row with `segments`, each segment has its own start token, and no label crosses the border between segments.
 *
 * The labels of ready batches are already aligned with the logits, and their inputs already contain any start tokens; a
 * missing mask means all ones. An example's `weights` determine how much each of its tokens counts as a label (without
 * a start token, the first one is not a label); a ready batch's `label_weights` do the same for each label.
 */
export class CausalLm extends LanguageModelObjective<ResolvedCausalLmOptions> {
  readonly modelKind = 'decoder-only';
  readonly batchFields: readonly FieldSpec[] = [inputIds, attentionMask, labels, LABEL_WEIGHTS, segmentIds];

  constructor(options: CausalLmOptions = {}) {
    super(parseOptions(causalLmOptions, options, 'CausalLm'));
  }

  inputFields(kind: ObjectiveSource['kind']): readonly FieldSpec[] {
    return kind === 'examples' ? TEXT_FIELDS : [inputIds, optional(attentionMask), labels, LABEL_WEIGHTS, segmentIds];
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    const { model } = context;
    requireModelKind(model, 'decoder-only', 'causal-lm', 'Use `prefix-lm` or `seq2seq` for an encoder-decoder.');
    const batch = source.kind === 'batch' ? this.fromBatch(source.batch) : this.fromExamples(source.examples, model);
    return checkedBatch(batch, 'The causal-lm batch', context);
  }

  private fromBatch(batch: HostFields): HostFields {
    const where = 'The ready batch';
    checkFields(batch, this.inputFields('batch'), where);
    checkSameShape(batch, 'attention_mask', 'input_ids', where);
    checkSameShape(batch, 'labels', 'input_ids', where);
    checkSameShape(batch, 'segment_ids', 'input_ids', where);
    const { segment_ids: segments } = batch;
    return {
      input_ids: batch.input_ids,
      attention_mask: batch.attention_mask ?? (segments ? segmentsMask(segments) : onesLike(batch.input_ids)),
      labels: batch.labels,
      ...(batch.label_weights && { label_weights: batch.label_weights }),
      ...(segments ? { segment_ids: segments } : {}),
    };
  }

  private fromExamples(examples: readonly HostFields[], model: Model): HostFields {
    const bos = readsBos(model, 'decoder') ? model.specialTokens.start : undefined;
    const segmented = examples.some(({ segments }) => segments);
    const rows = examples.map((example, i) => {
      const where = `Example ${i} of the batch`;
      checkText(example, 'predicting a next token needs', where, bos === undefined ? 2 : 1);
      const tokens = example.tokens.values;
      const segments = segmented
        ? (segmentsOf(example, 'tokens', where) ?? numberedSegments([tokens.length]))
        : undefined;
      return nextTokens({ tokens, segments, weights: example.weights?.values }, bos);
    });
    const longest = rows.reduce((length, { inputs }) => Math.max(length, inputs.length), 0);
    const length = roundUp(longest, this.options.padToMultipleOf);
    const of = (field: 'inputs' | 'labels'): Int32Array[] => rows.map((row) => row[field]);
    const segment_ids = segmented
      ? padRows(
          rows.map(({ segments }) => segments!),
          length,
          0,
        )
      : undefined; // [B, L]
    const attention_mask = segment_ids ? segmentsMask(segment_ids) : paddingMask(of('inputs'), length); // [B, L]
    const weights = rows.map((row) => row.weights);
    return {
      input_ids: padRows(of('inputs'), length, model.specialTokens.pad), // [B, L]
      attention_mask,
      labels: padRows(of('labels'), length, IGNORED_LABEL), // [B, L]
      ...(weights.some((row) => row) && { label_weights: padWeights(weights, attention_mask) }), // [B, L]
      ...(segment_ids && { segment_ids }),
    };
  }
}

export const causalLm = defineComponent({
  interface: 'objective',
  id: 'causal-lm',
  description: 'next-token prediction for decoder-only models',
  options: causalLmOptions,
  useFactory: ({ options }) => new CausalLm(options),
});
