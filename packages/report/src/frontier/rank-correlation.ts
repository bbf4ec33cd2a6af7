/** Whether two scores put models into the same order: Spearman's rank correlation, as in section 6 of the paper. */
import { createRandom } from '@graft/core';

/** Spearman's correlation of some pairs. */
export interface RankCorrelation {
  /** From -1 to 1; undefined if one of the scores is the same everywhere. */
  readonly rho: number | undefined;
  readonly count: number;
  /** The share of orders at random that correlate at least as much, in either direction; undefined with `rho`. */
  readonly pValue?: number;
}

/** Below this many pairs, every order is tried. */
const EXACT_UP_TO = 7;
const PERMUTATIONS = 10_000;
/** Sums of products in another order differ by this much. */
const TOLERANCE = 1e-12;

/**
 * Spearman's correlation: Pearson's of the ranks, equal values with the mean of theirs. The p-value is that of the
 * permutation test: exact for up to seven pairs, from 10,000 orders (the same for every call) for more.
 */
export function rankCorrelation(pairs: readonly (readonly [number, number])[]): RankCorrelation {
  const count = pairs.length;
  const xs = centred(ranks(pairs.map(([x]) => x)));
  const ys = centred(ranks(pairs.map(([, y]) => y)));
  const size = Math.sqrt(dot(xs, xs) * dot(ys, ys));
  if (size === 0) return { rho: undefined, count };
  const rho = dot(xs, ys) / size;
  const isAsFar = (order: readonly number[]): boolean => Math.abs(dot(xs, order) / size) >= Math.abs(rho) - TOLERANCE;
  if (count <= EXACT_UP_TO) {
    const orders = permutations(ys);
    return { rho, count, pValue: orders.filter(isAsFar).length / orders.length };
  }
  const random = createRandom(0).fork('rank-correlation');
  let far = 0;
  const shuffled = [...ys];
  for (let i = 0; i < PERMUTATIONS; i++) {
    for (let at = count - 1; at > 0; at--) {
      const other = random.integer(at + 1);
      [shuffled[at], shuffled[other]] = [shuffled[other], shuffled[at]];
    }
    if (isAsFar(shuffled)) far++;
  }
  // The order that was measured is one of those that are possible.
  return { rho, count, pValue: (far + 1) / (PERMUTATIONS + 1) };
}

/** The place of each value in ascending order, from 1; equal values share the mean of their places. */
export function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}

function centred(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i], 0);

function permutations(values: readonly number[]): number[][] {
  if (values.length < 2) return [[...values]];
  return values.flatMap((first, i) =>
    permutations([...values.slice(0, i), ...values.slice(i + 1)]).map((rest) => [first, ...rest]),
  );
}
