/** Shapes: B batch, S source length, T target length. */
import {
  DataError,
  checkFields,
  defineComponent,
  IGNORED_LABEL,
  modelInput,
  modelInputSurplus,
  parseOptions,
  type FieldSpec,
  type HostFields,
  type Model,
  type ObjectiveContext,
  type ObjectiveSource,
  shiftRight,
  tokensOfSide,
} from '@graft/core';
import { z } from 'zod';
import {
  BATCH_FIELDS,
  BATCH_SEGMENTS,
  requireModelKind,
  checkSameShape,
  checkWeights,
  ENCODER_DECODER_FIELDS,
  EXAMPLE_FIELDS,
  EXAMPLE_SEGMENTS,
  EXAMPLE_WEIGHTS,
  LABEL_WEIGHTS,
  optional,
} from '../batch/fields';
import { checkedBatch } from '../batch/checked-batch';
import { lossOptions } from '../loss/language-model-loss';
import { onesLike, paddingMask, padRows, padWeights, roundUp } from '../batch/padding';
import { LanguageModelObjective } from './language-model-objective';
import { segmentsMask, segmentsOf, stretchesOf } from '../batch/segments';

/** The options of the objective `seq2seq`. */
export const seq2seqOptions = z.strictObject({
  maxSourceTokens: z
    .int()
    .positive()
    .optional()
    .describe('Longest source, in tokens. A longer one is an error, or is cut with `truncate`. Default: no limit.'),
  maxTargetTokens: z
    .int()
    .positive()
    .optional()
    .describe('Longest target, in tokens, end of sequence included. Default: no limit.'),
  truncate: z
    .boolean()
    .default(false)
    .describe('Cuts the ends of sources and targets that are too long (a cut target loses its end-of-sequence token).'),
  padToMultipleOf: z
    .int()
    .positive()
    .default(32)
    .describe('Lengths are padded to multiples of this many tokens: every new length is compiled again.'),
  ...lossOptions,
});

/** What a config or code may write. */
export type Seq2SeqOptions = z.input<typeof seq2seqOptions>;
/** The same with every default filled in. */
export type ResolvedSeq2SeqOptions = z.output<typeof seq2seqOptions>;

/**
 * Sequence to sequence for encoder-decoder models.
 *
 * From examples: `source` and `target` are padded to the longest of the batch, rounded up.
 *
 *     source [5, 6, 7], target [8, 9, 1], padToMultipleOf 4, pad 0, start 2
 *       input_ids              [5, 6, 7, 0]
 *       attention_mask         [1, 1, 1, 0]
 *       decoder_input_ids      [2, 8, 9, 1]
 *       decoder_attention_mask [1, 1, 1, 0]
 *       labels                 [8, 9, 1, -100]
 *
 * From ready batches: a missing mask means all ones. Existing `decoder_input_ids` are used unchanged; if they are
 * missing, they are the model's start token followed by the labels shifted right, with pad in place of -100.
 *
 * `weights` of an example and `label_weights` of a ready batch determine how much each target token counts. The decoder
 * reads a token of weight 0, but does not learn to predict it:
 *
 *     source [5, 6, 7], target [8, 9, 1], weights [0, 1, 0.5]   ->   decoder_input_ids [2, 8, 9], labels [-100, 9, 1]
 */
export class Seq2Seq extends LanguageModelObjective<ResolvedSeq2SeqOptions> {
  readonly modelKind = 'encoder-decoder';
  readonly batchFields = ENCODER_DECODER_FIELDS;

  constructor(options: Seq2SeqOptions = {}) {
    super(parseOptions(seq2seqOptions, options, 'Seq2Seq'));
  }

  inputFields(kind: ObjectiveSource['kind']): readonly FieldSpec[] {
    if (kind === 'examples') {
      const { source, target } = EXAMPLE_SEGMENTS;
      return [EXAMPLE_FIELDS.source, EXAMPLE_FIELDS.target, EXAMPLE_WEIGHTS, source, target];
    }
    const { inputIds, attentionMask, decoderInputIds, decoderAttentionMask, labels } = BATCH_FIELDS;
    return [
      inputIds,
      optional(attentionMask),
      optional(decoderInputIds),
      optional(decoderAttentionMask),
      labels,
      LABEL_WEIGHTS,
      ...Object.values(BATCH_SEGMENTS),
    ];
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    const { model } = context;
    requireModelKind(model, 'encoder-decoder', 'seq2seq', 'Use `causal-lm` for a decoder-only model.');
    const batch =
      source.kind === 'batch' ? this.fromBatch(source.batch, model) : this.fromExamples(source.examples, model);
    return checkedBatch(batch, 'The seq2seq batch', context);
  }

  private fromBatch(batch: HostFields, model: Model): Record<string, HostFields[string]> {
    const where = 'The ready batch';
    checkFields(batch, this.inputFields('batch'), where);
    checkSameShape(batch, 'attention_mask', 'input_ids', where);
    checkSameShape(batch, 'decoder_input_ids', 'labels', where);
    checkSameShape(batch, 'decoder_attention_mask', 'labels', where);
    checkSameShape(batch, 'segment_ids', 'input_ids', where);
    checkSameShape(batch, 'decoder_segment_ids', 'labels', where);
    const { input_ids: inputIds, labels } = batch;
    if (inputIds.shape[0] !== labels.shape[0]) {
      throw new DataError(
        `${where} has ${inputIds.shape[0]} rows of "input_ids", but ${labels.shape[0]} of "labels".`,
        { code: 'data.shape' },
      );
    }
    const { start, pad } = model.specialTokens;
    const { segment_ids: segments, decoder_segment_ids: decoderSegments } = batch;
    return {
      input_ids: inputIds,
      attention_mask: batch.attention_mask ?? (segments ? segmentsMask(segments) : onesLike(inputIds)),
      decoder_input_ids: batch.decoder_input_ids ?? shiftRight(labels, start, pad, decoderSegments),
      decoder_attention_mask:
        batch.decoder_attention_mask ?? (decoderSegments ? segmentsMask(decoderSegments) : onesLike(labels)),
      labels,
      ...(batch.label_weights && { label_weights: batch.label_weights }),
      ...(segments ? { segment_ids: segments } : {}),
      ...(decoderSegments ? { decoder_segment_ids: decoderSegments } : {}),
    };
  }

  private fromExamples(examples: readonly HostFields[], model: Model): Record<string, HostFields[string]> {
    const { maxSourceTokens, maxTargetTokens } = this.options;
    const { sources, segments: ofSources } = this.sources(examples, model);
    const targets = this.rows(examples, 'target', maxTargetTokens, 'maxTargetTokens');
    const weights = examples.map(({ weights: own, target }, i) => {
      if (!own) return undefined;
      const where = `Example ${i} of the batch`;
      checkFields({ weights: own }, [EXAMPLE_WEIGHTS], where);
      checkWeights(own, target.values.length, 'target', where);
      return own.values.subarray(0, targets[i].length);
    });
    const ofTargets = segmentRows(examples, 'target');
    if (!ofSources !== !ofTargets) {
      throw new DataError('The examples have segments of source or target, but not of both.', {
        code: 'data.segments',
      });
    }
    return encoderDecoderBatch(sources, targets, model, {
      sourceLength: this.paddedLength(sources, maxSourceTokens),
      targetLength: this.paddedLength(targets, maxTargetTokens),
      weights,
      segments: ofSources && ofTargets && { sources: ofSources, targets: ofTargets },
    });
  }

  /** The sources, with the special tokens that the model's policy adds, which count towards `maxSourceTokens`. */
  private sources(
    examples: readonly HostFields[],
    model: Model,
  ): { readonly sources: readonly ArrayLike<number>[]; readonly segments?: readonly Int32Array[] } {
    const { maxSourceTokens: limit } = this.options;
    const segments = segmentRows(examples, 'source');
    const surplus = modelInputSurplus(model);
    if (surplus === 0) return { sources: this.rows(examples, 'source', limit, 'maxSourceTokens'), segments };
    const surpluses = examples.map((_, i) => surplus * (segments ? stretchesOf(segments[i]).length : 1));
    const rows = this.rows(examples, 'source', limit, 'maxSourceTokens', surpluses);
    if (!segments) return { sources: rows.map((row) => modelInput(model, row)) };
    const parts = rows.map((row, i) =>
      stretchesOf(segments[i]).map(({ id, start, end }) => ({
        id,
        read: modelInput(model, Array.prototype.slice.call(row, start, end)),
      })),
    );
    return {
      sources: parts.map((row) => row.flatMap(({ read }) => Array.from(read))),
      segments: parts.map((row) => Int32Array.from(row.flatMap(({ id, read }) => Array.from(read, () => id)))),
    };
  }

  /** `surpluses`: number of tokens added to each row. */
  private rows(
    examples: readonly HostFields[],
    name: 'source' | 'target',
    limit: number | undefined,
    option: string,
    surpluses: readonly number[] = [],
  ): ArrayLike<number>[] {
    return examples.map((example, i) => {
      const where = `Example ${i} of the batch`;
      checkFields(example, [EXAMPLE_FIELDS[name]], where);
      const { values } = example[name];
      if (values.length === 0) throw new DataError(`${where}: "${name}" is empty.`, { code: 'data.empty' });
      const surplus = surpluses[i] ?? 0;
      if (limit === undefined || values.length + surplus <= limit) return values;
      const packed = segmentsOf(example, name, where) !== undefined;
      if (this.options.truncate && !packed && limit > surplus) return values.subarray(0, limit - surplus);
      const longest = Math.max(...examples.map((other, j) => (other[name]?.values.length ?? 0) + (surpluses[j] ?? 0)));
      const around = surplus > 0 ? ` and ${surplus} special tokens around` : '';
      throw new DataError(
        `${where}: "${name}" has ${values.length} tokens${around}, but objective.${option} is ${limit}; this batch needs ${longest}.`,
        {
          code: 'data.too-long',
          exitCode: 2,
          hint: packed
            ? `Set objective.${option} to ${longest} or more, or pack the dataset's rows shorter: packed rows are not cut.`
            : `Set objective.${option} to ${longest} or more, or set objective.truncate: true.`,
        },
      );
    });
  }

  private paddedLength(rows: readonly ArrayLike<number>[], limit: number | undefined): number {
    const longest = rows.reduce((length, row) => Math.max(length, row.length), 0);
    return Math.min(roundUp(longest, this.options.padToMultipleOf), limit ?? Infinity);
  }
}

/**
 * The batch of rows of source and target ids, padded to the given lengths; with `label_weights` if any row has weights.
 * Shared by the objectives of this plugin.
 */
export function encoderDecoderBatch(
  sources: readonly ArrayLike<number>[],
  targets: readonly ArrayLike<number>[],
  model: Model,
  {
    sourceLength,
    targetLength,
    weights = [],
    segments,
  }: {
    readonly sourceLength: number;
    readonly targetLength: number;
    readonly weights?: readonly (ArrayLike<number> | undefined)[];
    /** For rows that contain several sequences. */
    readonly segments?: { readonly sources: readonly Int32Array[]; readonly targets: readonly Int32Array[] };
  },
): Record<string, HostFields[string]> {
  const { start, pad } = model.specialTokens;
  const { pad: sourcePad } = tokensOfSide(model, 'encoder').specialTokens;
  const labels = padRows(targets, targetLength, IGNORED_LABEL); // [B, T]
  const sourceSegments = segments && padRows(segments.sources, sourceLength, 0); // [B, S]
  const targetSegments = segments && padRows(segments.targets, targetLength, 0); // [B, T]
  targetSegments?.values.forEach((id, i) => {
    if (id === 0) labels.values[i] = IGNORED_LABEL;
  });
  const decoderMask = targetSegments ? segmentsMask(targetSegments) : paddingMask(targets, targetLength); // [B, T]
  return {
    input_ids: padRows(sources, sourceLength, sourcePad), // [B, S]
    attention_mask: sourceSegments ? segmentsMask(sourceSegments) : paddingMask(sources, sourceLength), // [B, S]
    decoder_input_ids: shiftRight(labels, start, pad, targetSegments), // [B, T]
    decoder_attention_mask: decoderMask,
    labels,
    ...(weights.some((row) => row) && { label_weights: padWeights(weights, decoderMask) }), // [B, T]
    ...(sourceSegments && targetSegments && { segment_ids: sourceSegments, decoder_segment_ids: targetSegments }),
  };
}

/** Segments of every example; undefined if no example has any. */
function segmentRows(examples: readonly HostFields[], field: 'source' | 'target'): Int32Array[] | undefined {
  const rows = examples.map((example, i) => segmentsOf(example, field, `Example ${i} of the batch`));
  const without = rows.indexOf(undefined);
  if (without < 0) return rows as Int32Array[];
  if (rows.every((row) => row === undefined)) return undefined;
  throw new DataError(`Example ${without} of the batch: "${field}" has no segments, but other examples have.`, {
    code: 'data.segments',
  });
}

export const seq2seq = defineComponent({
  interface: 'objective',
  id: 'seq2seq',
  description: 'sequence to sequence, from source and target or from ready batches',
  options: seq2seqOptions,
  useFactory: ({ options }) => new Seq2Seq(options),
});
