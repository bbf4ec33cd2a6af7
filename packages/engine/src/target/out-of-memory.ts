import { EngineError } from '@graft/errors';

/** A caller that knows more (a training loop) adds to it. */
export const OUT_OF_MEMORY_HINT = 'Compute less at once: smaller batches or shorter sequences.';

export function outOfMemory(operation: string, bytes: number): EngineError {
  return new EngineError(`${operation}: no memory for ${(bytes / 2 ** 20).toFixed(0)} MiB.`, {
    code: 'engine.out-of-memory',
    hint: OUT_OF_MEMORY_HINT,
  });
}
