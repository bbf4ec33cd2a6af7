import type { Logger } from '../logger';
import { reasonOf } from '../reason';

/** What a run made, and frees at its end. */
export class Owned {
  private readonly resources: { readonly name: string; readonly dispose: () => unknown }[] = [];

  constructor(private readonly logger: Logger) {}

  /** `name` is for the user: `evaluator "loss"`. */
  add<T extends { dispose?(): unknown }>(name: string, resource: T): T {
    this.resources.push({ name, dispose: () => resource.dispose?.() });
    return resource;
  }

  /**
   * Disposes everything, the last one first. One that fails gets a warning: the run's end, or the error that ended it,
   * counts for more.
   */
  async dispose(): Promise<void> {
    for (const { name, dispose } of this.resources.splice(0).reverse()) {
      try {
        await dispose();
      } catch (error) {
        this.logger.warn(`${name} could not be disposed: ${reasonOf(error)}.`);
      }
    }
  }
}
