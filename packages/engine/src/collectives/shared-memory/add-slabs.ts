/**
 * Adds up the elements from `start` to `end` of all slabs, in their order, into the first. Each sum is rounded to float32.
 */
export function addSlabs(slabs: readonly Float32Array[], start: number, end: number): void {
  const [sums] = slabs;
  for (let slab = 1; slab < slabs.length; slab++) add(sums, slabs[slab], start, end);
}

function add(sums: Float32Array, values: Float32Array, start: number, end: number): void {
  for (let i = start; i < end; i++) sums[i] = Math.fround(sums[i] + values[i]);
}
