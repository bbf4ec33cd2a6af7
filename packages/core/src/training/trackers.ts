import { messageOf } from '@graft/errors';
import type { EvaluationRecord } from '../evaluation/evaluations';
import type { TrackedRun, Tracker } from '../interfaces';
import type { Logger } from '../util/logger';

/** A tracker and its name in the config. */
export interface NamedTracker {
  readonly name: string;
  readonly tracker: Tracker;
}

/** The longest that the run waits for a tracker. */
const TIMEOUT_MS = 30_000;

/**
 * Several trackers as one; none of them can stop or hang the run: it reports a failure once, and the others continue.
 */
export class Trackers {
  private readonly failed = new Set<NamedTracker>();

  constructor(
    private readonly trackers: readonly NamedTracker[],
    private readonly logger: Logger,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {}

  async start(run: TrackedRun): Promise<void> {
    await this.all(({ tracker }) => tracker.start(run));
  }

  /** Skips values that are not finite: most tracking servers reject them. */
  log(step: number, all: Readonly<Record<string, number>>): void {
    const metrics = Object.fromEntries(Object.entries(all).filter(([, value]) => Number.isFinite(value)));
    for (const tracker of this.trackers) {
      try {
        // Declared void, but an async method fits that type, and its failure must not end the process.
        const result = tracker.tracker.log(step, metrics) as unknown;
        if (result instanceof Promise) result.catch((error: unknown) => this.reportFailure(tracker, error));
      } catch (error) {
        this.reportFailure(tracker, error);
      }
    }
  }

  /** The metrics of an evaluator, as `evaluator/metric`. */
  logEvaluation({ step, evaluator, metrics }: EvaluationRecord): void {
    this.log(step, Object.fromEntries(Object.entries(metrics).map(([key, value]) => [`${evaluator}/${key}`, value])));
  }

  async finish(status: 'finished' | 'interrupted' | 'failed'): Promise<void> {
    await this.all(({ tracker }) => tracker.finish(status));
  }

  private async all(call: (tracker: NamedTracker) => Promise<void>): Promise<void> {
    await Promise.all(
      this.trackers.map(async (tracker) => {
        let timer: NodeJS.Timeout | undefined;
        const timeout = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error(`no answer in ${this.timeoutMs / 1000} s`)), this.timeoutMs);
        });
        try {
          await Promise.race([call(tracker), timeout]);
        } catch (error) {
          this.reportFailure(tracker, error);
        } finally {
          clearTimeout(timer);
        }
      }),
    );
  }

  private reportFailure(tracker: NamedTracker, error: unknown): void {
    if (this.failed.has(tracker)) return;
    this.failed.add(tracker);
    const reason = messageOf(error);
    this.logger.warn(`Tracker "${tracker.name}" failed (${reason}); the run continues. This is reported only once.`);
  }
}
