import { SIZES, type Size, type SizeName } from '@graft/gemma';

/** The sizes that the paper trains from scratch, after mT5's (S has 8 heads where mt5-small has 6). */
export const SCRATCH_SIZE_NAMES = ['s', 'b', 'l', 'ml', 'xl'] as const satisfies readonly SizeName[];

/** The sizes of `model: { preset: s }` and its siblings. */
export const SCRATCH_SIZES: Readonly<Record<(typeof SCRATCH_SIZE_NAMES)[number], Size>> = SIZES;
