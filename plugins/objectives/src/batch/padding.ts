import type { HostArray } from '@graft/core';

/** The smallest multiple of `multiple` that is at least `length`. */
export function roundUp(length: number, multiple: number): number {
  return Math.ceil(length / multiple) * multiple;
}

/**
 * Rows of unequal length as one int32 array [rows, length], padded on the right with `filler`. No row may be longer
 * than `length`.
 *
 *     rows [[5, 6, 7], [8]], length 4, filler 0   ->   [[5, 6, 7, 0], [8, 0, 0, 0]]
 */
export function padRows(rows: readonly ArrayLike<number>[], length: number, filler: number): HostArray {
  const values = new Int32Array(rows.length * length);
  if (filler !== 0) values.fill(filler);
  rows.forEach((row, i) => values.set(row, i * length));
  return { dtype: 'int32', shape: [rows.length, length], values };
}

/**
 * Weights as one float32 array of the mask's shape, padded with 0. A row without weights gets 1 wherever its mask is 1.
 */
export function padWeights(rows: readonly (ArrayLike<number> | undefined)[], mask: HostArray): HostArray {
  const length = mask.shape[1];
  const values = Float32Array.from(mask.values);
  rows.forEach((row, i) => row && values.set(row, i * length));
  return { dtype: 'float32', shape: mask.shape, values };
}

/** int32 [rows, length]: 1 where `padRows` copies a value of the row, 0 where it pads. */
export function paddingMask(rows: readonly ArrayLike<number>[], length: number): HostArray {
  const values = new Int32Array(rows.length * length);
  rows.forEach((row, i) => values.fill(1, i * length, i * length + row.length));
  return { dtype: 'int32', shape: [rows.length, length], values };
}

/** A mask of ones: int32, the shape of `ids`. */
export function onesLike(ids: HostArray): HostArray {
  return { dtype: 'int32', shape: ids.shape, values: new Int32Array(ids.values.length).fill(1) };
}
