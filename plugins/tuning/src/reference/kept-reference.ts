/** Shapes: B pairs of answers. */
import {
  IGNORED_LABEL,
  uploadBatch,
  type BatchTensors,
  type FieldSpec,
  type HostArray,
  type HostFields,
  type Model,
  type Parameters,
  type SampleContext,
} from '@graft/core';
import { tf, type Jitted } from '@graft/engine';
import { createHash } from 'node:crypto';
import { REJECTED } from '../batch/preference-batch';
import { answerLogProbabilities } from '../loss/answer-log-probabilities';
import type { Reference } from './reference';

/** The field of a batch with what the reference says of its pairs. */
export const KEPT_FIELD: FieldSpec = {
  name: 'reference_log_probabilities',
  dtype: 'float32',
  rank: 2,
  optional: true,
  meaning: "the reference's log-probabilities of the chosen and of the rejected answer",
};

type Compute = Jitted<[Parameters, BatchTensors], tf.Tensor1D>;

/**
 * The log-probabilities of a reference, computed when a pair is first read and kept for later epochs: two numbers and a key
 * of 22 characters in memory for each pair. A resumed run computes them again.
 */
export class KeptReference {
  private readonly known = new Map<string, readonly [chosen: number, rejected: number]>();
  private compiled: { readonly model: Model; readonly compute: Compute } | undefined;

  constructor(
    private readonly reference: Reference,
    private readonly chunkTokens: number | undefined,
  ) {}

  /** The field for a batch: float32 [B, 2]. */
  async field(batch: HostFields, context: SampleContext): Promise<HostArray> {
    const keys = keysOf(batch);
    // A batch with one new pair is computed whole: another number of rows would be another compilation.
    if (keys.some((key) => !this.known.has(key))) await this.learn(batch, keys, context);
    const values = Float32Array.from(keys.flatMap((key) => this.known.get(key)!));
    return { dtype: 'float32', shape: [keys.length, 2], values };
  }

  dispose(): void {
    this.compiled?.compute.dispose();
    this.compiled = undefined;
  }

  private async learn(
    batch: HostFields,
    keys: readonly string[],
    { engine, model, parameters }: SampleContext,
  ): Promise<void> {
    const frozen = this.reference.for(model, parameters);
    if (this.compiled?.model !== frozen.model) {
      this.dispose();
      const { chunkTokens } = this;
      const compute = engine.jit(
        (own: Parameters, fields: BatchTensors): tf.Tensor1D =>
          answerLogProbabilities(frozen.model, own, fields, { training: false, chunkTokens }).sums,
        { name: 'referenceLogProbabilities' },
      );
      this.compiled = { model: frozen.model, compute };
    }
    const fields = uploadBatch(batch);
    let sums: tf.Tensor1D | undefined;
    try {
      sums = await this.compiled.compute.async(frozen.parameters, fields);
      const values = await sums.data();
      keys.forEach((key, i) => this.known.set(key, [values[2 * i], values[2 * i + 1]]));
    } finally {
      tf.dispose([fields, sums] as tf.TensorContainer);
    }
  }
}

/** Identifies the pair in each row, whatever it is padded to. */
function keysOf(batch: HostFields): string[] {
  const [rows] = batch.labels.shape;
  const row = ({ values, shape: [, length] }: HostArray, i: number): ArrayLike<number> =>
    values.subarray(i * length, (i + 1) * length);
  return Array.from({ length: rows }, (_, i) => {
    const seen = row(batch.attention_mask, i);
    const source = Array.from(row(batch.input_ids, i)).filter((_id, at) => seen[at] !== 0);
    const answers = [batch.labels, batch[`${REJECTED}labels`]].map((labels) =>
      Array.from(row(labels, i)).filter((label) => label !== IGNORED_LABEL),
    );
    const text = JSON.stringify([source, ...answers]);
    return createHash('sha256').update(text).digest('base64').slice(0, 22);
  });
}
