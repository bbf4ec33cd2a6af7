import { EngineError } from '@graft/errors';
import { OUT_OF_MEMORY_HINT } from '../../../target/out-of-memory';

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
