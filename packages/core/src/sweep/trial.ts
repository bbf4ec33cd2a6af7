import type { LoadedExperiment } from '../config';

/** One run of a sweep: a point with a seed. */
export interface Trial {
  /** The hash of its resolved config. Two trials with one id are one run. */
  readonly id: string;
  /** The index of its point. */
  readonly point: number;
  /** What distinguishes it from the others, for people: `learningRate=0.01 seed=1`. */
  readonly label: string;
  /** The file of its config. */
  readonly config: string;
  /** What `graft run` gets with that file: `KEY=VALUE`. */
  readonly overrides: readonly string[];
  readonly loaded: LoadedExperiment;
}
