import { tf, valueAndGradients, type Engine, type Jitted } from '@graft/engine';
import type { BatchTensors, Model, Objective, Optimizer, OptimizerState, Parameters } from '../interfaces';

export interface StepInputs {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** float32 scalars: steps done before this one, and its learning rate. */
  readonly step: tf.Scalar;
  readonly learningRate: tf.Scalar;
  /** int32 [2]. */
  readonly randomKey: tf.Tensor;
  readonly batch: BatchTensors;
}

export interface StepOutputs {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** float32 [names.length]: every number to log, so that one read fetches them all. */
  readonly numbers: tf.Tensor1D;
  readonly names: readonly string[];
}

export type TrainStep = Jitted<[StepInputs], StepOutputs>;

/** Forward, backward, clipping and update as one compiled function. */
export function makeTrainStep(engine: Engine, model: Model, objective: Objective, optimizer: Optimizer): TrainStep {
  return engine.jit(
    ({ parameters, state, step, learningRate, randomKey, batch }: StepInputs): StepOutputs => {
      const { loss, gradients, auxiliary } = valueAndGradients((own) => {
        const output = objective.loss(model, own, batch, { training: true, randomKey });
        return { loss: output.loss, auxiliary: output.metrics ?? {} };
      }, parameters);
      const squares = Object.values(gradients).map((gradient) => tf.sum(tf.square(gradient)));
      const gradientNorm = tf.sqrt(tf.addN(squares)) as tf.Scalar;
      const updated = optimizer.update({ gradients, parameters, state, step, learningRate, gradientNorm });
      const metrics = auxiliary as Record<string, tf.Scalar>;
      return {
        ...updated,
        numbers: tf.stack([loss, gradientNorm, ...Object.values(metrics)].map((value) => value.toFloat().reshape([]))) as tf.Tensor1D,
        names: ['loss', 'gradNorm', ...Object.keys(metrics)],
      };
    },
    { name: 'trainStep' },
  );
}
