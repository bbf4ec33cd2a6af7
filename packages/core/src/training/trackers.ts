import type { RunInfo, Tracker } from '../interfaces';
import type { Logger } from '../logger';

/** Several trackers as one, none of which can stop the run: what fails is said once and the others go on. */
export class Trackers {
  private readonly complained = new Set<Tracker>();

  constructor(
    private readonly trackers: readonly Tracker[],
    private readonly logger: Logger,
  ) {}

  async start(run: RunInfo): Promise<void> {
    await Promise.all(this.trackers.map((tracker) => this.guard(tracker, () => tracker.start(run))));
  }

  log(step: number, metrics: Readonly<Record<string, number>>): void {
    for (const tracker of this.trackers) {
      try {
        tracker.log(step, metrics);
      } catch (error) {
        this.complain(tracker, error);
      }
    }
  }

  async finish(status: 'finished' | 'interrupted' | 'failed'): Promise<void> {
    await Promise.all(this.trackers.map((tracker) => this.guard(tracker, () => tracker.finish(status))));
  }

  private async guard(tracker: Tracker, call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      this.complain(tracker, error);
    }
  }

  private complain(tracker: Tracker, error: unknown): void {
    if (this.complained.has(tracker)) return;
    this.complained.add(tracker);
    this.logger.warn(`The tracker ${tracker.constructor.name} failed (${(error as Error).message}); the run goes on without it.`);
  }
}
