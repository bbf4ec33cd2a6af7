/**
 * How long a search may take that goes back at every failure, as JavaScript's does: known of a pattern before it meets a text.
 * Everything is an upper bound.
 */

/** A match that begins at one place tries at most `ways` times the text's length to the power `degree` paths. */
export interface Cost {
  /** Infinity: nothing is known, as of a repetition within a repetition, `(a+)+`, whose paths double with each character. */
  readonly ways: number;
  readonly degree: number;
}

export const ONE_WAY: Cost = { ways: 1, degree: 0 };
const UNKNOWN: Cost = { ways: Infinity, degree: 0 };

/** Repetitions that count as this number of ways; longer ones count as endless. */
const FEW_REPETITIONS = 64;

/** One after the other: every path of the first may be gone on with by every one of the second. */
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
  // Each round has one way alone: how many rounds there are is all that is open.
  if (body.ways !== 1 || body.degree !== 0) return UNKNOWN;
  if (min === max) return ONE_WAY;
  return max - min < FEW_REPETITIONS ? { ways: max - min + 1, degree: 0 } : { ways: 1, degree: 1 };
}

/** Steps of a search, of which a processor takes some hundred million a second. */
const HARMLESS_STEPS = 2 ** 26;

/** Whether a search through a text of this length ends soon, whatever the text is. */
export const endsSoon = ({ ways, degree }: Cost, length: number): boolean =>
  ways * length ** (degree + 1) <= HARMLESS_STEPS;
