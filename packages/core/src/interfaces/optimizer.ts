import type { tf } from '@graft/engine';
import type { Parameters } from './parameters';

/** Tensors by name, e.g. `adamw.m/<parameter>`. Keyed by parameter name, never by position. */
export type OptimizerState = Record<string, tf.Tensor>;

/** What an optimizer is given in a step: maps with the same names. */
export interface OptimizerUpdate {
  readonly gradients: Parameters;
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** Number of previous steps of these parameters, including skipped ones, float32 scalar. */
  readonly step: tf.Scalar;
  /** Learning rate of this step, float32 scalar: the base rate times the schedule's factor. */
  readonly learningRate: tf.Scalar;
  /** Global L2 norm of the gradients before clipping, float32 scalar. */
  readonly gradientNorm: tf.Scalar;
  /** Factor on the weight decay of these parameters. Default 1. */
  readonly weightDecayFactor?: number;
}

/** Computes new parameters and state from gradients. Pure, so that it can be compiled into the step. */
export interface Optimizer {
  /** Base learning rate that a Schedule scales: a finite number >= 0. */
  readonly learningRate: number;
  /**
   * The state before the first step: float32 or int32 tensors by name, which the run then owns. The run calls it within
   * `tf.tidy`; it is not async. The name of a parameter's state ends in `/<parameter>`.
   */
  init(parameters: Parameters): OptimizerState;
  /** The new values and states of some parameters. Traceable, and pure: it disposes nothing that it is given. */
  update(arguments_: OptimizerUpdate): { parameters: Parameters; state: OptimizerState };
}
