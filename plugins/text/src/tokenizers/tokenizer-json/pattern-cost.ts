/**
 * An upper bound on the time of a backtracking search, such as JavaScript's, which is known for a pattern before it
 * meets a text.
 */

/** A match that begins at one place tries at most `ways` times the text's length to the power `degree` paths. */
export interface Cost {
  /** Infinity: nothing is known, as for a nested repetition, `(a+)+`, whose paths double with each character. */
  readonly ways: number;
  readonly degree: number;
}

export const ONE_WAY: Cost = { ways: 1, degree: 0 };
const UNKNOWN: Cost = { ways: Infinity, degree: 0 };

/** Repetitions that count as this number of ways; longer ones count as infinite. */
const FEW_REPETITIONS = 64;

/** A sequence: every path of the first may be continued by every path of the second. */
export const both = (one: Cost, other: Cost): Cost => ({
  ways: one.ways * other.ways,
  degree: one.degree + other.degree,
});

/** One or the other. */
export const either = (costs: readonly Cost[]): Cost => ({
  ways: costs.reduce((sum, { ways }) => sum + ways, 0),
  degree: Math.max(0, ...costs.map(({ degree }) => degree)),
});

export function repeated(body: Cost, min: number, max: number): Cost {
  if (max <= 1) return min === max ? body : { ways: body.ways + 1, degree: body.degree };
  // Each round has only one way: only the number of rounds varies.
  if (body.ways !== 1 || body.degree !== 0) return UNKNOWN;
  if (min === max) return ONE_WAY;
  return max - min < FEW_REPETITIONS ? { ways: max - min + 1, degree: 0 } : { ways: 1, degree: 1 };
}

/** Steps of a search; a processor takes a few hundred million per second. */
const HARMLESS_STEPS = 2 ** 26;

/** Whether a search through any text of this length ends soon. */
export const endsSoon = ({ ways, degree }: Cost, length: number): boolean =>
  ways * length ** (degree + 1) <= HARMLESS_STEPS;
