/**
 * Selects the points of a long series to draw: the first, last, smallest and largest of each of several equal
 * intervals, so that no spike is lost. Returns at most about `limit` indices, in order; all of them if there are fewer.
 */
export function downsample(values: readonly number[], limit: number): number[] {
  if (values.length <= limit) return [...values.keys()];
  const stretches = Math.max(1, Math.floor(limit / 4));
  const kept = new Set<number>();
  for (let stretch = 0; stretch < stretches; stretch++) {
    const start = Math.floor((stretch * values.length) / stretches);
    const end = Math.floor(((stretch + 1) * values.length) / stretches);
    let [low, high] = [start, start];
    for (let i = start; i < end; i++) {
      // An interval may begin with NaN.
      if (values[i] < values[low] || Number.isNaN(values[low])) low = i;
      if (values[i] > values[high] || Number.isNaN(values[high])) high = i;
    }
    for (const index of [start, low, high, end - 1]) kept.add(index);
  }
  return [...kept].sort((a, b) => a - b);
}
