import type { tf } from '@graft/engine';

/** Dtype of an array of a batch. */
export type FieldDtype = 'int32' | 'float32';

/** Declares one named array of an example or a batch, as data that is checked at both ends. */
export interface FieldSpec {
  readonly name: string;
  readonly dtype: FieldDtype;
  /** Number of dimensions: 1 = [length] in an example, 2 = [batch, length] in a batch. */
  readonly rank: number;
  readonly optional?: boolean;
  /**
   * For a field of a dataset: true if an objective that ignores it would misinterpret the other fields. Graft rejects
   * such an objective. Default false.
   */
  readonly mustBeUsed?: boolean;
  /** One clause for humans: what the numbers mean. */
  readonly meaning?: string;
}

/** A dense array on the host, row-major. */
export interface HostArray {
  readonly dtype: FieldDtype;
  readonly shape: readonly number[];
  readonly values: Int32Array | Float32Array;
}

/** Named host arrays: one example, as the Dataset yields it, or one batch, as the model reads it. */
export type HostFields = Readonly<Record<string, HostArray>>;

/** The same fields as tensors on the engine. */
export type BatchTensors = Readonly<Record<string, tf.Tensor>>;

/** Batch fields with the Hugging Face names; see docs/batches.md. */
export const FIELDS = {
  inputIds: 'input_ids',
  attentionMask: 'attention_mask',
  decoderInputIds: 'decoder_input_ids',
  decoderAttentionMask: 'decoder_attention_mask',
  labels: 'labels',
} as const;

/**
 * Number of the segment to which each position of a row belongs, from 1 on; 0: none. Positions attend only to their own
 * segment; positions of a decoder also attend to the source segment with the same number. Optional: without these
 * fields a row is one sequence.
 */
export const SEGMENT_FIELDS = { segmentIds: 'segment_ids', decoderSegmentIds: 'decoder_segment_ids' } as const;

/** A label that every loss ignores. */
export const IGNORED_LABEL = -100;
