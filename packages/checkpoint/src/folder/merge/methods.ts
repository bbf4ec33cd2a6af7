/**
 * How the numbers of several checkpoints become one, as mergekit defines it. Each method makes, for a tensor, the function
 * that is called with its pieces in order; some read the tensor before.
 */
import type { CheckpointReader } from '../checkpoint-reader';
import { elementCount } from '../../safetensors/shape';
import { numbersTogether } from './together';
import { trimmer, trimTo } from './trim';

/** Corresponding pieces of a tensor to the merged piece. */
export type Merge = (values: readonly Float64Array[]) => Float64Array;

/** A method: what merges the tensor of that name. */
export type MergeMethod = (readers: readonly CheckpointReader[], name: string) => Merge | Promise<Merge>;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** The weighted mean: sum of w x, divided by the sum of w. */
export function linear(weights: readonly number[]): MergeMethod {
  const total = sum(weights);
  return () => (values) => {
    const result = new Float64Array(values[0].length);
    values.forEach((one, at) => {
      const weight = weights[at];
      // Not even NaN counts without a weight.
      if (weight !== 0) for (let i = 0; i < result.length; i++) result[i] += weight * one[i];
    });
    for (let i = 0; i < result.length; i++) result[i] /= total;
    return result;
  };
}

/** From this cosine on, two tensors count as parallel, and are interpolated in a straight line. */
const PARALLEL = 0.9995;
/** A tensor with a smaller norm has no direction. */
const SMALLEST_NORM = 1e-8;

/** The place at the share t of the way from the first to the second along the sphere: t = 0 is the first. */
export function slerp(t: number): MergeMethod {
  return async (readers, name) => {
    let [dot, ofFirst, ofSecond] = [0, 0, 0];
    for await (const _ of numbersTogether(readers, name, ([a, b]) => {
      for (let i = 0; i < a.length; i++) {
        dot += a[i] * b[i];
        ofFirst += a[i] ** 2;
        ofSecond += b[i] ** 2;
      }
    }))
      continue;
    const norm = (squares: number): number => (Math.sqrt(squares) > SMALLEST_NORM ? Math.sqrt(squares) : 1);
    const cosine = dot / (norm(ofFirst) * norm(ofSecond));
    const angle = Math.acos(cosine);
    const [first, second] =
      Math.abs(cosine) > PARALLEL
        ? [1 - t, t]
        : [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
    return ([a, b]) => a.map((value, i) => first * value + second * b[i]);
  };
}

/** What the differences to a base are multiplied by. */
export interface DeltaWeights {
  /** By checkpoint. */
  readonly weights: readonly number[];
  /** Of their sum. */
  readonly scale: number;
}

/** The base plus the scaled sum of the weighted differences to it; the base is the first of the values. */
export function taskArithmetic({ weights, scale }: DeltaWeights): MergeMethod {
  return () =>
    ([base, ...tuned]) => {
      const result = base.slice();
      tuned.forEach((values, at) => {
        const factor = scale * weights[at];
        for (let i = 0; i < result.length; i++) result[i] += factor * (values[i] - base[i]);
      });
      return result;
    };
}

/**
 * TIES: of each difference only the largest numbers are kept (the share `density`); each place takes the sign of the
 * weighted sum; and the mean is over those of that sign.
 */
export function ties({ weights, scale, density }: DeltaWeights & { readonly density: number }): MergeMethod {
  return async (readers, name) => {
    const [base, ...tuned] = readers;
    const elements = elementCount(base.tensors.get(name)!.shape);
    const kept = Math.max(1, Math.floor(density * elements));
    const trims = await Promise.all(
      tuned.map(async (reader) => {
        if (kept >= elements) return undefined;
        const trim = await trimTo(kept, async (use) => {
          for await (const delta of numbersTogether([base, reader], name, deltaOf)) use(delta);
        });
        return trimmer(trim);
      }),
    );
    return ([from, ...values]) => {
      const deltas = values.map((value) => deltaOf([from, value]));
      deltas.forEach((delta, at) => trims[at]?.(delta));
      const result = from.slice();
      for (let i = 0; i < result.length; i++) result[i] += scale * elected(deltas, weights, i);
      return result;
    };
  };
}

const deltaOf = ([base, tuned]: readonly Float64Array[]): Float64Array => tuned.map((value, i) => value - base[i]);

/** The weighted mean of those that have the sign of the weighted sum. Of a sum of 0, the sign is +. */
function elected(deltas: readonly Float64Array[], weights: readonly number[], i: number): number {
  let all = 0;
  for (let at = 0; at < deltas.length; at++) all += weights[at] * deltas[at][i];
  const sign = all >= 0 ? 1 : -1;
  let total = 0;
  let weight = 0;
  for (let at = 0; at < deltas.length; at++) {
    const weighted = weights[at] * deltas[at][i];
    if (Math.sign(weighted) !== sign) continue;
    total += weighted;
    weight += weights[at];
  }
  return weight === 0 ? total : total / weight;
}
