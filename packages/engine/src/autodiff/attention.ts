import { EngineError } from '@graft/errors';
import { nativeAttributes } from '../kernels/attributes';
import {
  ATTENTION,
  attributesOfRule,
  KEY_GRADIENT,
  QUERY_GRADIENT,
  type AttentionRule,
  type AttentionSizes,
} from '../program/attention';
import { tf } from '../tf';
import type { GraftBackend } from '../trace/backend';
import { fusesAttention } from '../trace/layout-hints';
import { withGradient } from './custom-gradient';

/** What restricts an attention. Shapes as in program/attention.ts. */
export interface FusedAttentionOptions {
  /** Scores are cap * tanh(q k); default: q k. */
  readonly cap?: number;
  /** A key at j is seen by a query at i where -ahead <= i - j <= behind; default: without a limit. */
  readonly ahead?: number;
  readonly behind?: number;
  /** int32 [B, S]: keys with 0 are not seen; with `querySegments`, those with another number than the query's. */
  readonly keyNumbers?: tf.Tensor;
  /** int32 [B, T] */
  readonly queryNumbers?: tf.Tensor;
}

function run(op: string, rule: AttentionRule, inputs: readonly tf.Tensor[], outputs: number): tf.Tensor[] {
  const backend = tf.backend() as unknown as GraftBackend;
  const made = backend.binding.executeOp(op, nativeAttributes(attributesOfRule(rule)), backend.ids(inputs), outputs);
  return made.map((metadata) => backend.wrap(metadata));
}

/**
 * Softmax attention whose scores are never in memory together. q [B, T, H, C], multiplied by what scales the scores
 * (and divided by the cap, if there is one); k and v [B, S, K, C]; query head h reads key head h / (H / K). Returns [B,
 * T, H, C]. Products have bfloat16 operands. Only inside compiled functions, where `fusesAttention` is true; throws
 * EngineError elsewhere.
 */
export function fusedAttention(
  q: tf.Tensor,
  k: tf.Tensor,
  v: tf.Tensor,
  { keyNumbers, queryNumbers, ...limits }: FusedAttentionOptions = {},
): tf.Tensor {
  const [batch, queries, heads, headDim] = q.shape;
  const sizes = { batch, queries, keys: k.shape[1]!, heads, keyValueHeads: k.shape[2]!, headDim } as AttentionSizes;
  if (!fusesAttention(sizes))
    throw new EngineError(
      `There is no kernel here for attention of ${queries} queries to ${sizes.keys} keys with a head dimension of ${headDim}.`,
      {
        code: 'engine.attention',
        hint: 'Kernels need a CUDA device, products in bfloat16, and a head dimension of 16, 32, 64, 128 or 256; `model.attention: auto` takes them where it can.',
      },
    );
  if (queryNumbers && !keyNumbers)
    throw new EngineError('fusedAttention was given numbers of queries, but none of keys.', {
      code: 'engine.attention',
    });
  const rule: AttentionRule = { ...limits, sees: queryNumbers ? 'equal' : keyNumbers ? 'nonzero' : 'all' };
  const numbers = [keyNumbers, queryNumbers].filter((tensor) => tensor !== undefined);
  return withGradient<[tf.Tensor, tf.Tensor, tf.Tensor]>((save, qs, ks, vs) => {
    const [y, logs] = run(ATTENTION, rule, [qs, ks, vs, ...numbers], 2);
    save([qs, ks, vs, y, logs, ...numbers]);
    return {
      value: y,
      gradients: (dy, [q_, k_, v_, y_, logs_, ...numbers_]) => {
        const deltas = tf.transpose(tf.sum(tf.mul(dy, y_), 3), [0, 2, 1]); // [B, H, T]
        const given = [q_, k_, v_, dy, logs_, deltas, ...numbers_];
        const [dq] = run(QUERY_GRADIENT, rule, given, 1);
        const [dk, dv] = run(KEY_GRADIENT, rule, given, 2);
        return [dq, dk, dv];
      },
    };
  })(q, k, v);
}
