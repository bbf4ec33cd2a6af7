/** Shapes: B texts, T tokens, D width of a state. */
import { DataError, GraftError, tf, type Engine, type Jitted } from '@graft/engine';
import { uploadBatch } from '../../data/loader';
import type { BatchTensors, HostArray, HostFields, Model, Parameters } from '../../interfaces';
import { checkIdsAndMask } from './host-fields';

/** `mean`: the mean of all tokens' states; `last`: the last token's state. Padding does not count. */
export type Pooling = 'mean' | 'last';

/** All ways in which token vectors become one. */
export const POOLINGS: readonly Pooling[] = ['mean', 'last'];

/** How token vectors become one vector. */
export interface EmbedOptions {
  /** Default mean. */
  readonly pool?: Pooling;
  /** Whether to scale vectors to length 1, so that dot products are cosines. Default false. */
  readonly normalize?: boolean;
}

/**
 * Turns texts into vectors, from the states of the encoder, or of a decoder-only model itself; compiled once per shape.
 */
export class Embedder {
  private readonly compute: Jitted<[Parameters, BatchTensors, Pooling, boolean], tf.Tensor2D>;

  /** Throws GraftError for a model without `representation`. */
  constructor(
    engine: Engine,
    private readonly model: Model,
  ) {
    const { representation } = model;
    if (!representation) {
      throw new GraftError('This model has no states to embed texts with: its family gives it no `representation`.', {
        code: 'family.no-representation',
        exitCode: 2,
      });
    }
    this.compute = engine.jit(
      (parameters: Parameters, batch: BatchTensors, pool: Pooling, normalize: boolean): tf.Tensor2D => {
        const states = representation.states(parameters, batch); // [B, T, D]
        // Each row's weights sum to 1: the mean's are equal, the last token's are 0 and 1.
        const weights = tf.expandDims(pool === 'mean' ? meanWeights(batch.attention_mask) : batch.last, 1); // [B, 1, T]
        const pooled = tf.squeeze(tf.matMul(weights, states), [1]); // [B, D]
        return (normalize ? tf.div(pooled, tf.norm(pooled, 'euclidean', 1, true)) : pooled) as tf.Tensor2D;
      },
      { name: 'embed' },
    );
  }

  /**
   * Returns float32 [B, D] from `input_ids` and `attention_mask` (default: all ones), int32 [B, T]. Throws DataError
   * for invalid fields and for a text without a token.
   */
  async embed(parameters: Parameters, fields: HostFields, options: EmbedOptions = {}): Promise<HostArray> {
    const { pool = 'mean', normalize = false } = options;
    checkIdsAndMask(fields, 'input_ids', 'attention_mask', this.model, 'The inputs of embed');
    const { input_ids: ids } = fields;
    const mask = fields.attention_mask ?? { ...ids, values: new Int32Array(ids.values.length).fill(1) };
    const last = lastTokens(mask);
    const uploaded = {
      ...uploadBatch({ input_ids: ids, attention_mask: mask }),
      last: tf.tensor(last.values, [...last.shape], 'float32'),
    };
    let result: tf.Tensor2D | undefined;
    try {
      result = await this.compute.async(parameters, uploaded, pool, normalize);
      return { dtype: 'float32', shape: result.shape, values: (await result.data()) as Float32Array };
    } finally {
      result?.dispose();
      tf.dispose(uploaded);
    }
  }

  dispose(): void {
    this.compute.dispose();
  }
}

/** Weights [B, T] of a mean over the tokens. */
function meanWeights(mask: tf.Tensor): tf.Tensor {
  const seen = mask.toFloat();
  return tf.div(seen, tf.sum(seen, 1, true));
}

/** 1 at each row's last token, on whichever side its padding is; 0 elsewhere. */
function lastTokens({ values, shape }: HostArray): HostArray {
  const [batch, length] = shape;
  const last = new Float32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    let place = length - 1;
    while (place >= 0 && values[row * length + place] === 0) place--;
    if (place < 0) throw new DataError(`Row ${row} has no token to be embedded.`, { code: 'inputs.empty-row' });
    last[row * length + place] = 1;
  }
  return { dtype: 'float32', shape, values: last };
}
