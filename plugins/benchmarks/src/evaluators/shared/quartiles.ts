import { quantile } from '@graft/core/internal';

/** The median of measurements, and the quartiles that half of them lie between. */
export interface Quartiles {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/** Quartiles with linear interpolation between neighbours, as numpy computes them. `values` must not be empty. */
export function quartiles(values: readonly number[]): Quartiles {
  const sorted = [...values].sort((a, b) => a - b);
  return { q1: quantile(sorted, 0.25), median: quantile(sorted, 0.5), q3: quantile(sorted, 0.75) };
}
