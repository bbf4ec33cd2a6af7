import { WorkersError } from '@graft/errors';
import type { Layout } from './layout';
import type { SharedMemory } from './memory';
import type { Signals } from './signals';
import type { TensorMemory } from './tensor-memory';

/** The common context of one worker's calls. */
export interface Shared {
  readonly rank: number;
  readonly others: readonly number[];
  readonly layout: Layout;
  readonly memory: SharedMemory;
  readonly signals: Signals;
  readonly tensors: TensorMemory;
}

const HIGH = 2 ** 32;

/** Call this before setting the counter that makes others read the size. */
export function writeSize({ words }: SharedMemory, word: number, bytes: number): void {
  Atomics.store(words, word, (bytes % HIGH) | 0);
  Atomics.store(words, word + 1, Math.floor(bytes / HIGH));
}

export function checkSize({ memory: { words }, rank }: Shared, word: number, other: number, bytes: number): void {
  const theirs = Atomics.load(words, word + 1) * HIGH + (Atomics.load(words, word) >>> 0);
  if (theirs === bytes) return;
  throw new WorkersError(
    `Worker ${other} has tensors of ${theirs} bytes in a call in which worker ${rank} has ${bytes} bytes.`,
    {
      code: 'workers.size',
      hint: 'All workers must make the same calls, in the same order, with tensors of the same shapes.',
    },
  );
}
