/**
 * How a whole sequence attends: with all scores in memory, in blocks of queries, or as a kernel of the device. Shapes as
 * in layers.ts: B batch, T queries, S keys, H query heads, K key/value heads, C head dimension.
 */
import { fusedAttention, fusesAttention, recomputed, tf } from '@graft/engine';
import {
  additiveMask,
  keysInReach,
  maskTensors,
  withMaskTensors,
  type AttentionMask,
  type SideRules,
} from './attention-mask';
import type { AttentionMethod, LayerType, SideConfig } from './config-types';
import type { Dropout } from './dropout';
import { attend } from './layers';
import type { SideMasks } from './masks';

/** Keys and values of one attention, heads first: [B, K, S, C] each. */
export interface KeysAndValues {
  readonly keys: tf.Tensor;
  readonly values: tf.Tensor;
}

/** A way to attend, with the tensors of its mask. */
export interface Attending {
  readonly tensors: readonly tf.Tensor[];
  /** The same with other tensors: for rematerialized layers. */
  with(tensors: readonly tf.Tensor[]): Attending;
  /** Queries [B, T, H, C], multiplied by `queryScale`, to rows [B*T, H*C]. */
  rows(side: SideConfig, queries: tf.Tensor, made: KeysAndValues, dropout?: Dropout): tf.Tensor;
}

/** With the whole matrix of scores, and a mask to add to it, [B or 1, 1, 1, 1 or T, S]. */
export function whole(mask: tf.Tensor | undefined): Attending {
  return {
    tensors: mask ? [mask] : [],
    with: ([other]) => whole(other),
    rows: (side, queries, { keys, values }, dropout) => attend(side, queries, keys, values, mask, dropout),
  };
}

/** As one kernel of the device, which never writes the scores. */
export function fused(mask: AttentionMask): Attending {
  return {
    tensors: maskTensors(mask),
    with: (tensors) => fused(withMaskTensors(mask, tensors)),
    rows({ attentionSoftCap: cap, heads, headDim }, queries, { keys, values }) {
      const { span, keyNumbers, queryNumbers } = mask;
      const finite = (limit: number | undefined): number | undefined => (Number.isFinite(limit) ? limit : undefined);
      const y = fusedAttention(queries, tf.transpose(keys, [0, 2, 1, 3]), tf.transpose(values, [0, 2, 1, 3]), {
        ...(cap !== null && { cap }),
        ahead: finite(span?.ahead),
        behind: finite(span?.behind),
        keyNumbers,
        queryNumbers,
      }); // [B, T, H, C]
      return tf.reshape(y, [-1, heads * headDim]);
    },
  };
}

/** Queries whose scores are in memory together. */
export const BLOCK = 512;

/**
 * In blocks of queries, each with the keys in its reach. The scores of a block are computed again for its gradient: those of
 * one block are in memory.
 */
export function blocked(mask: AttentionMask, size = BLOCK): Attending {
  return {
    tensors: maskTensors(mask),
    with: (tensors) => blocked(withMaskTensors(mask, tensors), size),
    rows(side, queries, { keys, values }, dropout) {
      if (dropout && dropout.rates.attentionDropout > 0) throw new Error('blocked attention drops no probabilities');
      const [batch, length] = queries.shape as [number, number];
      const width = side.heads * side.headDim;
      const parts: tf.Tensor[] = [];
      for (let first = 0; first < length; first += size) {
        const count = Math.min(size, length - first);
        parts.push(tf.reshape(rowsOfBlock(side, { queries, keys, values }, mask, first, count), [batch, count, width]));
      }
      return tf.reshape(tf.concat(parts, 1), [batch * length, width]);
    },
  };
}

function rowsOfBlock(
  side: SideConfig,
  { queries, keys, values }: KeysAndValues & { readonly queries: tf.Tensor },
  mask: AttentionMask,
  firstQuery: number,
  count: number,
): tf.Tensor {
  const { source } = mask;
  const ownKeys = keys.shape[2]! - (source?.length ?? 0);
  const reach = keysInReach(mask, firstQuery, count, ownKeys);
  const block = { firstQuery, queries: count, ...reach };
  const cut = (x: tf.Tensor, axis: number, from: number, size: number): tf.Tensor =>
    tf.slice(
      x,
      x.shape.map((_, i) => (i === axis ? from : 0)),
      x.shape.map((whole, i) => (i === axis ? size : whole)),
    );
  const ofKeys = (x: tf.Tensor, axis: number): tf.Tensor => cut(x, axis, reach.firstKey, reach.keys);
  // The source's keys are in the reach of every query.
  const withSource = (x: tf.Tensor): tf.Tensor =>
    source ? tf.concat([ofKeys(x, 2), cut(x, 2, ownKeys, source.length)], 2) : ofKeys(x, 2);
  const ofQueries = (x: tf.Tensor): tf.Tensor => cut(x, 1, firstQuery, count);
  const { keyNumbers, queryNumbers } = mask;
  const own: AttentionMask = {
    span: mask.span,
    ...(keyNumbers && { keyNumbers: ofKeys(keyNumbers, 1) }),
    ...(queryNumbers && { queryNumbers: ofQueries(queryNumbers) }),
    ...(source && {
      source: { ...source, ...(source.queryNumbers && { queryNumbers: ofQueries(source.queryNumbers) }) },
    }),
  };
  return recomputed(
    ([q, k, v], _parameters, numbers) => attend(side, q, k, v, additiveMask(withMaskTensors(own, numbers), block)),
    [ofQueries(queries), withSource(keys), withSource(values)],
    { fixed: maskTensors(own) },
  );
}

/** From this many scores of a head on, `auto` computes them in blocks: 64 MiB of float32. */
const MANY_SCORES = 4096 ** 2;

/** The sizes of an attention that its side does not know. */
export interface Lengths {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
}

/** What decides between the methods. */
export interface MethodChoice {
  readonly wanted?: AttentionMethod;
  readonly dropout?: Pick<Dropout, 'rates'>;
  /** The kernels of devices have one rule for all keys: two sequences of keys are computed in blocks. */
  readonly merged?: boolean;
}

/** A mask in both forms, either of which is made if it is needed. */
export interface MaskForms<A, R> {
  readonly additive: () => A;
  readonly rule: () => R;
}

/** The way to attend for one mask. */
export function attendingTo(
  side: SideConfig,
  lengths: Lengths,
  choice: MethodChoice,
  { additive, rule }: MaskForms<tf.Tensor | undefined, AttentionMask>,
): Attending {
  const method = attentionMethod(side, lengths, choice);
  return method === 'whole' ? whole(additive()) : method === 'fused' ? fused(rule()) : blocked(rule());
}

/** The ways to attend of a side's kinds of layers. */
export function selfAttending(
  side: SideConfig,
  lengths: Lengths,
  choice: MethodChoice,
  { additive, rule }: MaskForms<SideMasks, SideRules>,
): Record<LayerType, Attending> {
  const method = attentionMethod(side, lengths, choice);
  const both = <M>(
    masks: Readonly<Record<LayerType, M>>,
    way: (mask: M) => Attending,
  ): Record<LayerType, Attending> => ({
    full_attention: way(masks.full_attention),
    sliding_attention: way(masks.sliding_attention),
  });
  if (method === 'whole') return both(additive(), whole);
  return both(rule(), method === 'fused' ? fused : (mask) => blocked(mask));
}

/** The method for an attention of these sizes. */
export function attentionMethod(
  { heads, keyValueHeads, headDim }: SideConfig,
  { batch, queries, keys }: Lengths,
  { wanted = 'auto', dropout, merged = false }: MethodChoice,
): 'whole' | 'blocked' | 'fused' {
  // The factors of dropped probabilities are a matrix as large as the scores'.
  if (dropout && dropout.rates.attentionDropout > 0) return 'whole';
  if (wanted === 'fused' && merged) return 'blocked';
  if (wanted !== 'auto') return wanted;
  if (!merged && fusesAttention({ batch, queries, keys, heads, keyValueHeads, headDim })) return 'fused';
  return queries * keys >= MANY_SCORES ? 'blocked' : 'whole';
}
