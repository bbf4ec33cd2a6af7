import type { RandomKey, TensorSpec, tf } from '@graft/engine';
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
  /** The step's key for an optimizer that `drawsRandom`, int32 [3]; `namedKey` gives each tensor its own. */
  readonly randomKey?: RandomKey;
}

/** Computes new parameters and state from gradients. Pure, so that it can be compiled into the step. */
export interface Optimizer {
  /** Base learning rate that a Schedule scales: a finite number >= 0. */
  readonly learningRate: number;
  /** Whether `update` draws random numbers, and needs `randomKey`. Default false. */
  readonly drawsRandom?: boolean;
  /**
   * The state before the first step: float32 or int32 tensors by name, which the run then owns. The run calls it within
   * `tf.tidy`; it is not async. The name of a parameter's state ends in `/<parameter>`.
   */
  init(parameters: Parameters): OptimizerState;
  /**
   * Shapes and dtypes of the state that `init` gives for a parameter of that shape, for estimates of memory. Default: the
   * estimate says nothing about the state.
   */
  stateOf?(name: string, shape: readonly number[]): readonly TensorSpec[];
  /** The new values and states of some parameters. Traceable, and pure: it disposes nothing that it is given. */
  update(arguments_: OptimizerUpdate): { parameters: Parameters; state: OptimizerState };
}
