import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../util/logger';
import { reasonOf } from '../util/reason';

const HASTY_MS = 3000;

/** The resources that a run made, and frees at its end. */
export class ResourceScope {
  private readonly resources: { readonly name: string; readonly dispose: () => unknown }[] = [];

  constructor(private readonly logger: Logger) {}

  /** `name` is for the user: `evaluator "loss"`. */
  add<T extends { dispose?(): unknown }>(name: string, resource: T): T {
    this.resources.push({ name, dispose: () => resource.dispose?.() });
    return resource;
  }

  /**
   * Disposes everything, the last one first. Only warns if one fails: the run's end, or the error that ended it,
   * matters more. With `hasty` it waits at most a few seconds for each: the user wants to stop, and it may hang.
   */
  async dispose(hasty = false): Promise<void> {
    for (const { name, dispose } of this.resources.splice(0).reverse()) {
      try {
        const disposed = Promise.resolve(dispose());
        if (!hasty) await disposed;
        else if (!(await endsSoon(disposed)))
          this.logger.warn(`${name} could not be disposed within ${HASTY_MS / 1000} s.`);
      } catch (error) {
        this.logger.warn(`${name} could not be disposed: ${reasonOf(error)}.`);
      }
    }
  }
}

/** Whether it ends in time; leaves no timer that would keep the process alive. */
async function endsSoon(disposed: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const tooLate = sleep(HASTY_MS, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([disposed.then(() => true), tooLate]);
  } finally {
    timer.abort();
  }
}
