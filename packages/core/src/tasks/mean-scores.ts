import type { RowScore } from '../interfaces';

/**
 * The mean of each metric over the rows that have it.
 *
 *     [{ accuracy: 1 }, { accuracy: 0 }]   ->   { accuracy: 0.5 }
 */
export function meanScores(scores: readonly RowScore[]): Record<string, number> {
  const sums = new Map<string, { sum: number; rows: number }>();
  for (const { metrics } of scores) {
    for (const [name, value] of Object.entries(metrics)) {
      const known = sums.get(name) ?? { sum: 0, rows: 0 };
      sums.set(name, { sum: known.sum + value, rows: known.rows + 1 });
    }
  }
  return Object.fromEntries([...sums].map(([name, { sum, rows }]) => [name, sum / rows]));
}
