/** Shapes: B batch, T tokens. */
import type { BatchTensors, HostFields, RandomStream } from '@graft/core';
import type { tf } from '@graft/engine';
import type { EncodedExample } from './encode-examples';

/** A batch on the engine. */
export interface ClassificationBatch extends BatchTensors {
  /** int32 [B, T], padded on the right. */
  readonly input_ids: tf.Tensor2D;
  /** int32 [B, T], 1 for tokens. */
  readonly attention_mask: tf.Tensor2D;
  /** int32 [B]: row of each sequence's last token among the B * T states. */
  readonly last_rows: tf.Tensor1D;
  /** int32 [B]: classes. */
  readonly labels: tf.Tensor1D;
  /** float32 [B]: 1 for examples, 0 for rows that pad the batch. */
  readonly weights: tf.Tensor1D;
}

export interface HostBatch {
  readonly examples: readonly EncodedExample[];
  readonly fields: HostFields;
}

const SHORTEST_TOKENS = 32;

/** Every length is compiled separately, so there are few: 32, 48, 64, 96, 128, 192, 256 and so on, up to the limit. */
export function paddedLength(tokens: number, maxTokens: number): number {
  let length = SHORTEST_TOKENS;
  while (length < tokens) length = length % 3 === 0 ? (length * 4) / 3 : (length * 3) / 2;
  return Math.min(length, maxTokens);
}

/** All batches of an epoch, each of `batchSize` rows; the last one is padded with rows that do not count. */
export function* batches(
  examples: readonly EncodedExample[],
  { batchSize, maxTokens, padId }: { batchSize: number; maxTokens: number; padId: number },
  shuffle?: RandomStream,
): Generator<HostBatch, undefined> {
  const order = shuffle?.permutation(examples.length) ?? Int32Array.from(examples.keys());
  for (let at = 0; at < order.length; at += batchSize) {
    const own = [...order.subarray(at, at + batchSize)].map((place) => examples[place]);
    yield { examples: own, fields: collate(own, batchSize, maxTokens, padId) };
  }
}

function collate(examples: readonly EncodedExample[], rows: number, maxTokens: number, padId: number): HostFields {
  const longest = examples.reduce((length, { tokens }) => Math.max(length, tokens.length), 0);
  const length = paddedLength(longest, maxTokens);
  const ids = new Int32Array(rows * length).fill(padId);
  const mask = new Int32Array(rows * length);
  const last = new Int32Array(rows);
  const labels = new Int32Array(rows);
  const weights = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    // A padding row repeats the first example: a row without a single token would attend to nothing.
    const { example, tokens } = examples[row] ?? examples[0];
    ids.set(tokens, row * length);
    mask.fill(1, row * length, row * length + tokens.length);
    last[row] = row * length + tokens.length - 1;
    labels[row] = example.label ?? 0;
    weights[row] = row < examples.length ? 1 : 0;
  }
  return {
    input_ids: { dtype: 'int32', shape: [rows, length], values: ids },
    attention_mask: { dtype: 'int32', shape: [rows, length], values: mask },
    last_rows: { dtype: 'int32', shape: [rows], values: last },
    labels: { dtype: 'int32', shape: [rows], values: labels },
    weights: { dtype: 'float32', shape: [rows], values: weights },
  };
}
