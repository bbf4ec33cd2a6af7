import { constants } from 'node:os';
import { guardBlocked } from './blocked';
import { watchNpm } from './orphan';

/** SIGHUP: the terminal was closed, or the connection to it was lost. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof SIGNALS)[number];

/** One Ctrl-C can arrive twice: from the terminal, and forwarded by npm, which received it too. */
const ECHO_MS = 400;

/**
 * Runs `fn` with a signal. The first Ctrl-C (or SIGTERM, or SIGHUP, or the end of the npm that runs this process)
 * aborts the signal and calls `onFirst`; a second Ctrl-C or SIGTERM ends the process at once.
 */
export async function withInterrupt<T>(
  fn: (signal: AbortSignal) => Promise<T>,
  onFirst?: (signal: string) => void,
): Promise<T> {
  const controller = new AbortController();
  let first = 0;
  const handle = (signal: Signal): void => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort(signal);
      onFirst?.(signal);
      // Closing a terminal sends SIGHUP, and so does its shell: neither is an impatient user.
    } else if (signal !== 'SIGHUP' && performance.now() - first > ECHO_MS) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  for (const signal of SIGNALS) process.on(signal, handle);
  const unwatch = watchNpm(() => {
    if (!controller.signal.aborted) handle('SIGTERM');
  });
  const unguard = guardBlocked(() => handle('SIGINT'), ECHO_MS);
  try {
    return await fn(controller.signal);
  } finally {
    unwatch();
    unguard();
    const stopListening = (): void => SIGNALS.forEach((signal) => void process.off(signal, handle));
    // The echo of a signal must not kill a process that has just stopped on request, nor one that is about to exit:
    // this timer keeps the process alive until no echo can arrive.
    if (controller.signal.aborted) setTimeout(stopListening, first + ECHO_MS - performance.now());
    else stopListening();
  }
}
