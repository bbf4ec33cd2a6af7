/** How often each n-gram occurs. */
export type Counts = Map<string, number>;

/** Counts the n-grams of a list of words or characters; `separator` must not occur in any of them. */
export function countNgrams(tokens: readonly string[], order: number, separator: string): Counts {
  const counts: Counts = new Map();
  for (let end = order; end <= tokens.length; end++) {
    const gram = tokens.slice(end - order, end).join(separator);
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

/** Number of n-grams in both, each counted as often as it occurs in the one with fewer. */
export function matches(left: Counts, right: Counts): number {
  let sum = 0;
  for (const [gram, count] of left) sum += Math.min(count, right.get(gram) ?? 0);
  return sum;
}

export const total = (counts: Counts): number => [...counts.values()].reduce((sum, count) => sum + count, 0);
