import { EngineError } from '@graft/errors';

export function unsupportedAttribute(operation: string, name: string, type: number): EngineError {
  return new EngineError(`${operation}: attribute "${name}" is of a kind (${type}) that the binding does not know.`, {
    code: 'engine.attribute',
  });
}

/** A caller that knows more (a training loop) adds to it. */
const OUT_OF_MEMORY_HINT = 'Compute less at once: smaller batches or shorter sequences.';

export function outOfMemory(operation: string, bytes: number): EngineError {
  return new EngineError(`${operation}: no memory for ${(bytes / 2 ** 20).toFixed(0)} MiB.`, {
    code: 'engine.out-of-memory',
    hint: OUT_OF_MEMORY_HINT,
  });
}

const RESOURCE_EXHAUSTED = 8;

/** TensorFlow's own message, cut to its first sentence-like part; graph dumps and C++ stack frames follow. */
export function tensorFlowError(operation: string, code: number, message: string): EngineError {
  const first = message
    .split('\n')[0]
    .replace(/\[Op:.*$/, '')
    .replace(/^(\{\{[^}]*\}\} ?)+/, '')
    .replace(/ on \/job:\S+ by allocator \S+$/, '')
    .trim();
  return new EngineError(`${operation}: ${first || `TensorFlow error ${code}`}`, {
    code: code === RESOURCE_EXHAUSTED ? 'engine.out-of-memory' : 'engine.tensorflow',
    hint: code === RESOURCE_EXHAUSTED ? OUT_OF_MEMORY_HINT : undefined,
    cause: message === first ? undefined : message,
  });
}
