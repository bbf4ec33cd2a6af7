import type { EvaluationProgress } from '../interfaces';
import type { Logger } from '../util/logger';

/** Shows how far a run is: a bar on a terminal, a line now and then elsewhere. All of it on standard error. */
export interface Progress {
  /** What the run does from now to its next step: a terminal shows it, with its seconds, instead of the rates. */
  begin(activity: string): void;
  step(step: number, metrics: Readonly<Record<string, number>>): void;
  /** The evaluator at work, and what it reports; undefined: none any more. */
  evaluating(evaluator: string | undefined, report?: EvaluationProgress): void;
  /** A line of text that does not run into the bar. */
  note(text: string): void;
  /** May be called twice. */
  stop(): void;
}

export interface ProgressOptions {
  name: string;
  /** Steps done before, and in all; 0 in all: there are only evaluations. */
  from: number;
  to: number;
  logEvery: number;
  logger: Logger;
  quiet: boolean;
}
