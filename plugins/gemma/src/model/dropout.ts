/** Dropout in training. Shapes as in layers.ts: B batch, N rows of all sequences, B * length. */
import { GraftError, type DropoutRates, type ForwardOptions } from '@graft/core';
import { namedKey } from '@graft/core/internal';
import { random, tf, type RandomKey } from '@graft/engine';
import { NO_DROPOUT } from './dropout-rates';

/** The dropout of one part of a forward pass, with its own key. */
export interface Dropout {
  /** `pairs`: for the inputs of low-rank pairs. */
  readonly rates: DropoutRates & { readonly pairs?: number };
  readonly key: RandomKey;
  /** Sequences: masks are drawn row by row of the batch, so that slices of it get what the whole gets. */
  readonly batch: number;
}

/**
 * The dropout of a forward pass of `batch` sequences: undefined if it drops nothing. Throws GraftError without a key.
 */
export function dropoutOf(
  own: Partial<DropoutRates>,
  { training = false, randomKey, dropout = {}, pairDropout: pairs = 0 }: ForwardOptions,
  batch: number,
): Dropout | undefined {
  const kinds = Object.keys(own) as (keyof DropoutRates)[];
  const given = Object.fromEntries(kinds.map((kind) => [kind, dropout[kind] ?? own[kind]!]));
  const rates = { ...NO_DROPOUT, ...given, pairs };
  if (!training || Object.values(rates).every((rate: number) => rate === 0)) return undefined;
  if (!randomKey) {
    throw new GraftError('The model has dropout, for which a training pass needs a random key.', {
      code: 'gemma.dropout-key',
      hint: 'An objective hands the options of its `loss` on to the model: model.forward(parameters, fields, options).',
    });
  }
  return { rates, key: randomKey as RandomKey, batch };
}

/** The same rates for `count` parts, each with its own key. */
export function splitDropout(dropout: Dropout, count: number): Dropout[];
export function splitDropout(dropout: Dropout | undefined, count: number): (Dropout | undefined)[];
export function splitDropout(dropout: Dropout | undefined, count: number): (Dropout | undefined)[] {
  if (!dropout) return Array.from({ length: count }, () => undefined);
  return random.split(dropout.key, count).map((key) => ({ ...dropout, key }));
}

/** Drops numbers of x [B, ..] or rows [N, ..] independently, with the rate of that kind. */
export function drop(x: tf.Tensor, dropout: Dropout | undefined, kind: 'dropout' | 'classifierDropout'): tf.Tensor {
  if (!dropout || dropout.rates[kind] === 0) return x;
  const { key, batch, rates } = dropout;
  const width = x.shape.at(-1)!;
  const mask = random.dropoutMask(key, [batch, x.size / batch / width, width], rates[kind]);
  return tf.mul(x, tf.reshape(mask, x.shape));
}

/**
 * The factors of the rows [N, D] that the pair of a layer's projection reads: `of` names it, so that each pair draws its
 * own.
 */
export function pairMask(dropout: Dropout | undefined, of: string, rows: tf.Tensor): tf.Tensor | undefined {
  const rate = dropout?.rates.pairs ?? 0;
  if (!dropout || rate === 0) return undefined;
  const { key, batch } = dropout;
  const [count, width] = rows.shape as [number, number];
  const mask = random.dropoutMask(namedKey(key, of), [batch, count / batch, width], rate);
  return tf.reshape(mask, rows.shape);
}

/** The factors of the probabilities of attention [B, ..]. */
export function attentionMask(dropout: Dropout | undefined, shape: readonly number[]): tf.Tensor | undefined {
  if (!dropout || dropout.rates.attentionDropout === 0) return undefined;
  return random.dropoutMask(dropout.key, shape, dropout.rates.attentionDropout);
}
