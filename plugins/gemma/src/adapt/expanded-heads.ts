/** Numbers of key/value heads before and after; the second is a multiple of the first. */
export interface ExpandedHeads {
  readonly from: number;
  readonly to: number;
}

/**
 * The side whose key/value heads are repeated, so that every query head has its own: a multi-head attention with the
 * same function.
 */
export type ExpandHeads = 'encoder';

/** All sides whose key and value heads can be repeated. */
export const EXPAND_HEADS_CHOICES: readonly ExpandHeads[] = ['encoder'];
