import type { AttentionSizes } from '../../../program/attention';
import type { Tiling } from './attention-kernels';

/** Tiles by head dimension, chosen for Hopper's registers (65,536) and shared memory (227 KiB). */
const TILINGS: Readonly<Record<'forward' | 'queries' | 'keys', readonly (Tiling & { readonly upTo: number })[]>> = {
  forward: [
    { upTo: 64, queries: 128, keys: 64, warps: 4, stages: 3 },
    { upTo: 128, queries: 128, keys: 64, warps: 8, stages: 3 },
    { upTo: 256, queries: 128, keys: 64, warps: 8, stages: 2 },
  ],
  queries: [
    { upTo: 64, queries: 128, keys: 64, warps: 8, stages: 2 },
    { upTo: 128, queries: 64, keys: 64, warps: 8, stages: 2 },
    { upTo: 256, queries: 64, keys: 64, warps: 8, stages: 2 },
  ],
  keys: [
    { upTo: 64, queries: 64, keys: 128, warps: 8, stages: 2 },
    { upTo: 128, queries: 64, keys: 64, warps: 8, stages: 2 },
    { upTo: 256, queries: 64, keys: 64, warps: 8, stages: 2 },
  ],
};

/** The tiles of a kernel for that head dimension. */
export function tilingOf(kernel: keyof typeof TILINGS, { headDim }: Pick<AttentionSizes, 'headDim'>): Tiling {
  const all = TILINGS[kernel];
  return all.find(({ upTo }) => headDim <= upTo) ?? all[all.length - 1];
}

const LARGEST_INDEX = 2 ** 31;

/**
 * Whether there are kernels for these sizes: head dimensions of 16 to 256 that are powers of two, tensors whose
 * elements 32 bits can count, and enough queries to be worth it.
 */
export function hasKernels({ batch, queries, keys, heads, headDim }: AttentionSizes): boolean {
  return (
    [16, 32, 64, 128, 256].includes(headDim) &&
    queries >= 64 &&
    keys >= 64 &&
    batch * Math.max(queries, keys) * heads * headDim < LARGEST_INDEX
  );
}
