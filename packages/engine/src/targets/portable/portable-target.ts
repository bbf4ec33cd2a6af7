import type { CallingTarget } from '../../target/target';

/** tfjs's own wasm and JavaScript kernels, which cannot be recorded: they compute when they are called. */
export const PORTABLE_TARGET: CallingTarget = { records: false };
