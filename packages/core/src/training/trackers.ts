import { messageOf } from '@graft/engine';
import type { RunInfo, Tracker } from '../interfaces';
import type { Logger } from '../util/logger';

/** A tracker and what the config calls it. */
export interface NamedTracker {
  readonly name: string;
  readonly tracker: Tracker;
}

/** A tracker that waits for a server longer than this is left behind. */
const PATIENCE_MS = 30_000;

/** Several trackers as one, none of which can stop or hang the run: what fails is said once, and the others go on. */
export class Trackers {
  private readonly complained = new Set<NamedTracker>();

  constructor(
    private readonly trackers: readonly NamedTracker[],
    private readonly logger: Logger,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  async start(run: RunInfo): Promise<void> {
    await this.all(({ tracker }) => tracker.start(run));
  }

  /** Numbers that are none stay at home: few servers know them. */
  log(step: number, all: Readonly<Record<string, number>>): void {
    const metrics = Object.fromEntries(Object.entries(all).filter(([, value]) => Number.isFinite(value)));
    for (const tracker of this.trackers) {
      try {
        // Declared void, but an async method fits that type, and its failure must not end the process.
        const result = tracker.tracker.log(step, metrics) as unknown;
        if (result instanceof Promise) result.catch((error: unknown) => this.complain(tracker, error));
      } catch (error) {
        this.complain(tracker, error);
      }
    }
  }

  async finish(status: 'finished' | 'interrupted' | 'failed'): Promise<void> {
    await this.all(({ tracker }) => tracker.finish(status));
  }

  private async all(call: (tracker: NamedTracker) => Promise<void>): Promise<void> {
    await Promise.all(
      this.trackers.map(async (tracker) => {
        let timer: NodeJS.Timeout | undefined;
        const impatience = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error(`no answer in ${this.patienceMs / 1000} s`)), this.patienceMs);
        });
        try {
          await Promise.race([call(tracker), impatience]);
        } catch (error) {
          this.complain(tracker, error);
        } finally {
          clearTimeout(timer);
        }
      }),
    );
  }

  private complain(tracker: NamedTracker, error: unknown): void {
    if (this.complained.has(tracker)) return;
    this.complained.add(tracker);
    const reason = messageOf(error);
    this.logger.warn(`Tracker "${tracker.name}" failed (${reason}); the run goes on. It will not be said again.`);
  }
}
