import type { HostArray } from '@graft/core';

/**
 * Rows of unequal length as one int32 array [rows, length], padded on the right. No row may be longer than `length`.
 *
 *     values [[5, 6, 7], [8]], length 4, filler 0   ->   [[5, 6, 7, 0], [8, 0, 0, 0]]
 */
export function padRows(values: readonly ArrayLike<number>[], length: number, filler: number): HostArray {
  const all = new Int32Array(values.length * length).fill(filler);
  values.forEach((row, i) => all.set(row, i * length));
  return { dtype: 'int32', shape: [values.length, length], values: all };
}

/** 1 where `padRows` keeps a value of the row, 0 where it pads: int32 [rows, length]. */
export function maskOf(values: readonly ArrayLike<number>[], length: number): HostArray {
  return padRows(
    values.map((row) => Array.from(row, () => 1)),
    length,
    0,
  );
}
