import type { AttentionSizes } from '../program/attention';

/** What the target of a trace prefers where a layout outlives the compiled function, and passes cannot change it. */
export interface LayoutHints {
  /**
   * Whether one token's attention is fastest over keys that are stored transposed, [N, C, S]: for `rows` queries a head,
   * N heads of all sequences, S stored `slots`, a multiple of SLOT_MULTIPLE, C the head dimension.
   */
  readonly prefersTransposedKeys: (heads: number, rows: number, slots: number, headDim: number) => boolean;
  /** Whether `fusedAttention` of these sizes is one kernel there. */
  readonly fusesAttention: (sizes: AttentionSizes) => boolean;
}

const NONE: LayoutHints = { prefersTransposedKeys: () => false, fusesAttention: () => false };

let inForce = NONE;

/** Runs `fn` (synchronously), which is traced, with the hints of its target. */
export function withLayoutHints<T>(hints: LayoutHints = NONE, fn: () => T): T {
  const before = inForce;
  inForce = hints;
  try {
    return fn();
  } finally {
    inForce = before;
  }
}

/**
 * Whether the target of the current trace reads one token's keys fastest if they are stored transposed, [N, C, S]: for
 * `rows` queries a head, N heads of all sequences, S stored `slots`, a multiple of SLOT_MULTIPLE, C the head dimension.
 */
export function prefersTransposedKeys(heads: number, rows: number, slots: number, headDim: number): boolean {
  return inForce.prefersTransposedKeys(heads, rows, slots, headDim);
}

/** Whether the target of the current trace has kernels for `fusedAttention` of these sizes. */
export function fusesAttention(sizes: AttentionSizes): boolean {
  return inForce.fusesAttention(sizes);
}

/** Widths of caches are best multiples of it: a line of the processor's cache. */
export const SLOT_MULTIPLE = 16;
