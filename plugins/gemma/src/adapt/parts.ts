/** Parts that an ablation may initialize at random instead of from the checkpoints. */
export const RANDOM_PARTS = ['encoder', 'decoder', 'cross-attention', 'embedding'] as const;

/** A part of the new model that can be initialized at random. */
export type RandomPart = (typeof RANDOM_PARTS)[number];
