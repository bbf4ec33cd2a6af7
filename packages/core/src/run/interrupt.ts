/**
 * Runs `fn` with a signal that the first Ctrl-C (or SIGTERM) aborts; a second one ends the process at once.
 * `onFirst` is told of the first.
 */
export async function withInterrupt<T>(fn: (signal: AbortSignal) => Promise<T>, onFirst?: () => void): Promise<T> {
  const controller = new AbortController();
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    onFirst?.();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  try {
    return await fn(controller.signal);
  } finally {
    process.off('SIGINT', handle);
    process.off('SIGTERM', handle);
  }
}
