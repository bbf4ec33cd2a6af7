import type { EvaluationProgress } from '../interfaces';
import type { Logger } from '../util/logger';

/** Shows the progress of a run: a bar on a terminal, otherwise a line now and then. All of it on standard error. */
export interface Progress {
  /** The run's activity until its next step: a terminal shows it, with its seconds, instead of the rates. */
  begin(activity: string): void;
  step(step: number, metrics: Readonly<Record<string, number>>): void;
  /** The current evaluator, and its report; undefined: none any more. */
  evaluating(evaluator: string | undefined, report?: EvaluationProgress): void;
  /** Prints a line of text that does not run into the bar. */
  note(text: string): void;
  /** May be called twice. */
  stop(): void;
}

export interface ProgressOptions {
  name: string;
  /** Steps done before, and in total; a total of 0 means only evaluations. */
  from: number;
  to: number;
  logEvery: number;
  logger: Logger;
  quiet: boolean;
}
