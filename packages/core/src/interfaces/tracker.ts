import type { EndStatus } from './callback';
import type { RunEnvironment } from './environment';
import type { RunInfo } from './run-info';

/** Additional facts that trackers receive when a run begins. */
export interface TrackedRun extends RunInfo {
  /** Where and how this process works on the run. */
  readonly environment?: RunEnvironment;
  /** Number of the model's parameters. */
  readonly parameterCount?: number;
  /**
   * Returns the run's report as one HTML page, made from the files in its folder. Undefined if the program that runs it
   * does not provide one.
   */
  readonly report?: () => Promise<string>;
}

/** Sends metrics out of the process. A failing tracker never stops a run. */
export interface Tracker {
  /**
   * After a resume (`run.resumedFromStep`), the tracker again receives numbers of later steps that an earlier process
   * already logged.
   */
  start(run: TrackedRun): Promise<void>;
  /** Takes the metrics of a step and returns at once. May be called with an earlier step after a resume. */
  log(step: number, metrics: Readonly<Record<string, number>>): void;
  /** Called once at the end of a run. Resolves when everything that was logged has been sent. */
  finish(status: EndStatus): Promise<void>;
}
