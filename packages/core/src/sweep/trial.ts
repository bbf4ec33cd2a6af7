import type { LoadedEvaluation, LoadedExperiment } from '../config';

/** What trials of both kinds have. */
export interface TrialFacts {
  /** The hash of its resolved config. Two trials with one id are one run. */
  readonly id: string;
  /** The index of its point. */
  readonly point: number;
  /** What distinguishes it from the others, for people: `learningRate=0.01 seed=1`. */
  readonly label: string;
  /** The file of its config. */
  readonly config: string;
  /** What `graft run` or `graft evaluate` gets with that file: `KEY=VALUE`. */
  readonly overrides: readonly string[];
}

/** A trial that `graft run` runs. */
export interface TrainingTrial extends TrialFacts {
  readonly kind: 'training';
  readonly loaded: LoadedExperiment;
}

/** A trial that `graft evaluate` runs. */
export interface EvaluationTrial extends TrialFacts {
  readonly kind: 'evaluation';
  readonly loaded: LoadedEvaluation;
}

/** One run of a sweep: a point with a seed. All trials of a sweep are of one kind. */
export type Trial = TrainingTrial | EvaluationTrial;

export const isTraining = (trial: Trial): trial is TrainingTrial => trial.kind === 'training';
