import type { Worker } from 'node:worker_threads';
import { GraftError } from '@graft/errors';

/**
 * Calls `onEnd` once when a thread has ended by itself, for any reason: callers would wait for its answers forever.
 * `what` describes the thread ("A thread that reads data"), `code` is that of the error.
 */
export function onThreadEnd(worker: Worker, what: string, code: string, onEnd: (error: GraftError) => void): void {
  let ended = false;
  const end = (problem: string, cause?: unknown, hint?: string): void => {
    if (ended) return;
    ended = true;
    onEnd(new GraftError(`${what} ${problem}.`, { code, cause, hint }));
  };
  worker.on('error', (error: unknown) => {
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY')
      return end('has run out of memory', error, 'Raise its limit with NODE_OPTIONS=--max-old-space-size=MIB.');
    end(`failed: ${String((error as Error | undefined)?.message ?? error).replace(/\.$/, '')}`, error);
  });
  // The message cannot be read, but somebody waits for it.
  worker.on('messageerror', (error) => {
    end(`sent what cannot be read: ${error.message}`, error);
    void worker.terminate();
  });
  worker.on('exit', (status) => end(`ended with status ${status}`));
}
