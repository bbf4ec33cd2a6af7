/** Shapes: B rows, T queries, S keys, D width, H heads, C width of a head. Everything is traceable. */
import type { Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { TABLE } from './parameters';

/** Added to the scores of keys that a query must not see. */
export const HIDDEN = -1e9;

export interface KeysAndValues {
  /** [B, H, S, C] */
  readonly keys: tf.Tensor;
  readonly values: tf.Tensor;
}

/** Rows [.., in] times a matrix [in, out]. */
export function project(rows: tf.Tensor, matrix: tf.Tensor): tf.Tensor {
  const [inner, outer] = matrix.shape as [number, number];
  const flat = tf.reshape(rows, [-1, inner]) as tf.Tensor2D;
  return tf.reshape(tf.matMul(flat, matrix as tf.Tensor2D), [...rows.shape.slice(0, -1), outer]);
}

export function layerNorm(parameters: Parameters, name: string, rows: tf.Tensor): tf.Tensor {
  const centred = tf.sub(rows, tf.mean(rows, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  const normed = tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normed, parameters[`${name}.gain`]), parameters[`${name}.bias`]);
}

/** Sinusoids [B, T, D] of positions [B, T]. */
export function sinusoids(positions: tf.Tensor, width: number): tf.Tensor {
  const rates = tf.exp(tf.mul(tf.range(0, width / 2, 1), -Math.log(10_000) / (width / 2)));
  const angles = tf.mul(tf.expandDims(positions.toFloat(), -1), rates);
  return tf.concat([tf.sin(angles), tf.cos(angles)], -1);
}

/** [B, T, D] to [B, H, T, C]. */
export function splitHeads(rows: tf.Tensor, heads: number): tf.Tensor {
  const [batch, length, width] = rows.shape as [number, number, number];
  return tf.transpose(tf.reshape(rows, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

export function keysAndValues(parameters: Parameters, name: string, rows: tf.Tensor, heads: number): KeysAndValues {
  return {
    keys: splitHeads(project(rows, parameters[`${name}.k`]), heads),
    values: splitHeads(project(rows, parameters[`${name}.v`]), heads),
  };
}

/** Attention [B, T, D] of normed rows to keys and values; `mask` is added to scores [B, H, T, S]. */
export function attend(
  parameters: Parameters,
  name: string,
  rows: tf.Tensor,
  { keys, values }: KeysAndValues,
  mask: tf.Tensor | undefined,
): tf.Tensor {
  const [batch, heads, , size] = keys.shape as [number, number, number, number];
  const length = rows.shape[1]!;
  const queries = splitHeads(project(rows, parameters[`${name}.q`]), heads);
  const scores = tf.mul(tf.matMul(queries, keys, false, true), size ** -0.5);
  const probabilities = tf.softmax(mask ? tf.add(scores, mask) : scores);
  const mixed = tf.transpose(tf.matMul(probabilities, values), [0, 2, 1, 3]);
  return project(tf.reshape(mixed, [batch, length, heads * size]), parameters[`${name}.o`]);
}

/** A whole sub-layer: norm, feed-forward, residual. */
export function feedForward(parameters: Parameters, name: string, rows: tf.Tensor): tf.Tensor {
  const inner = tf.relu(project(layerNorm(parameters, `${name}.norm`, rows), parameters[`${name}.up`]));
  return tf.add(rows, project(inner, parameters[`${name}.down`]));
}

/** [B, 1, 1, S], from a mask [B, S] with 0 at padding. */
export function paddingMask(mask: tf.Tensor): tf.Tensor {
  return tf.mul(tf.sub(1, tf.expandDims(tf.expandDims(mask.toFloat(), 1), 1)), HIDDEN);
}

/** Positions [B, T] that count tokens, not padding. */
export function positionsOf(ids: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
  const [batch, length] = ids.shape as [number, number];
  if (mask) return tf.maximum(tf.sub(tf.cumsum(mask.toFloat(), 1), 1), 0);
  return tf.tile(tf.expandDims(tf.range(0, length, 1), 0), [batch, 1]);
}

/** [T, T]: a token sees itself and those before it. */
export function causalMask(length: number): tf.Tensor {
  const at = tf.range(0, length, 1);
  const later = tf.greater(tf.expandDims(at, 0), tf.expandDims(at, 1));
  return tf.mul(later.toFloat(), HIDDEN);
}

/** [B, T, D] of ids [B, T] at positions [B, T]. */
export function embed(parameters: Parameters, ids: tf.Tensor, positions: tf.Tensor): tf.Tensor {
  const table = parameters[TABLE];
  const width = table.shape[1]!;
  return tf.add(tf.mul(tf.gather(table, ids.toInt()), Math.sqrt(width)), sinusoids(positions, width));
}

/** [.., V] of states [.., D]: the table is the output layer too. */
export function logitsOf(parameters: Parameters, states: tf.Tensor): tf.Tensor {
  return project(states, tf.transpose(parameters[TABLE]));
}
