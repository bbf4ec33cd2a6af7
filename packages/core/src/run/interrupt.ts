import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** One Ctrl-C can arrive twice: from the terminal, and forwarded by npm, which got it too. */
const ECHO_MS = 400;

/**
 * Runs `fn` with a signal that the first Ctrl-C (or SIGTERM) aborts; a second one ends the process at once.
 * `onFirst` is told of the first.
 */
export async function withInterrupt<T>(
  fn: (signal: AbortSignal) => Promise<T>,
  onFirst?: (signal: string) => void,
): Promise<T> {
  const controller = new AbortController();
  let first = 0;
  const handle = (signal: (typeof SIGNALS)[number]): void => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort(signal);
      onFirst?.(signal);
    } else if (performance.now() - first > ECHO_MS) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  for (const signal of SIGNALS) process.on(signal, handle);
  try {
    return await fn(controller.signal);
  } finally {
    const stopListening = (): void => SIGNALS.forEach((signal) => void process.off(signal, handle));
    // The echo of a signal must not kill a process that has just stopped as it was told, nor one that is about to exit: this
    // timer keeps it alive until no echo can come.
    if (controller.signal.aborted) setTimeout(stopListening, first + ECHO_MS - performance.now());
    else stopListening();
  }
}
