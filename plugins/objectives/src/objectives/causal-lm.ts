/** Shapes: B batch, L length. */
import {
  checkFields,
  DataError,
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
  checkWeights,
  EXAMPLE_FIELDS,
  EXAMPLE_SEGMENTS,
  EXAMPLE_WEIGHTS,
  LABEL_WEIGHTS,
  optional,
  TEXT_FIELDS,
} from '../batch/fields';
import { checkedBatch } from '../batch/checked-batch';
import { lossOptions } from '../loss/language-model-loss';
import { nextTokens, type TextRow } from '../batch/next-tokens';
import { onesLike, paddingMask, padRows, padWeights, roundUp } from '../batch/padding';
import { LanguageModelObjective } from './language-model-objective';
import { numberedSegments, segmentsMask, segmentsOf } from '../batch/segments';

/** The options of the objective `causal-lm`. */
export const causalLmOptions = z.strictObject({
  input: z
    .enum(['text', 'pairs'])
    .default('text')
    .describe(
      'What an example is: `text`, of which every token is learnt, or `pairs`: a source and a target, read as one text, of which only the target is learnt.',
    ),
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

const PAIR_FIELDS: readonly FieldSpec[] = [EXAMPLE_FIELDS.source, EXAMPLE_FIELDS.target, EXAMPLE_WEIGHTS];

/**
 * Next-token prediction for decoder-only models. The input begins with the model's start token, unless its policy for
 * special tokens excludes it.
 *
 *     tokens [5, 6, 7, 8, 9, 1], start 2, pad 0, padToMultipleOf 8
 *       input_ids      [2, 5, 6, 7, 8, 9, 0, 0]
 *       attention_mask [1, 1, 1, 1, 1, 1, 0, 0]
 *       labels         [5, 6, 7, 8, 9, 1, -100, -100]
 *
 * With `input: pairs`, an example has a `source` and a `target` instead, which are read as one text. The target is
 * learnt, given the source: what `seq2seq` asks of an encoder-decoder, so that the two losses compare.
 *
 *     source [5, 6, 7], target [8, 9, 1], start 2, padToMultipleOf 1
 *       input_ids      [   2,    5,    6, 7, 8, 9]
 *       labels         [-100, -100, -100, 8, 9, 1]
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
    if (kind === 'batch') return [inputIds, optional(attentionMask), labels, LABEL_WEIGHTS, segmentIds];
    return this.options.input === 'pairs' ? PAIR_FIELDS : TEXT_FIELDS;
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
      if (this.options.input === 'pairs') return nextTokens(pairAsText(example, where, bos), bos);
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

/** A source and its target as one text, in which the tokens of the source are not learnt. */
function pairAsText(example: HostFields, where: string, bos: number | undefined): TextRow {
  checkFields(example, PAIR_FIELDS, where);
  const { source, target, weights } = example;
  const packed = Object.values(EXAMPLE_SEGMENTS).find(({ name }) => example[name]);
  if (packed) {
    throw new DataError(`${where} has "${packed.name}", but causal-lm reads one pair in a row.`, {
      code: 'data.segments',
      exitCode: 2,
      hint: 'Remove `pack` from the dataset.',
    });
  }
  const empty = target.values.length === 0 ? 'target' : bos === undefined && source.values.length === 0 && 'source';
  if (empty) throw new DataError(`${where}: "${empty}" is empty.`, { code: 'data.empty' });
  if (weights) checkWeights(weights, target.values.length, 'target', where);
  return {
    tokens: [...source.values, ...target.values],
    weights: [...source.values.map(() => 0), ...(weights?.values ?? target.values.map(() => 1))],
  };
}

export const causalLm = defineComponent({
  interface: 'objective',
  id: 'causal-lm',
  description: 'next-token prediction for decoder-only models',
  options: causalLmOptions,
  useFactory: ({ options }) => new CausalLm(options),
});
