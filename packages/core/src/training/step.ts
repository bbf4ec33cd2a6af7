import { PluginError, tf, valueAndGradients, type Engine, type Jitted, type Precision } from '@graft/engine';
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

/** Numbers that the loop itself gives; an objective's metrics need names of their own. */
export const LOOP_METRICS = [
  'step',
  'loss',
  'gradNorm',
  'learningRate',
  'tokensPerSecond',
  'seconds',
  'waitSeconds',
] as const;

/** Forward, backward and update as one compiled function. The caller disposes inputs and outputs. */
export function makeTrainStep(
  engine: Engine,
  model: Model,
  objective: Objective,
  optimizer: Optimizer,
  precision?: Precision,
): TrainStep {
  return engine.jit(
    ({ parameters, state, step, learningRate, randomKey, batch }: StepInputs): StepOutputs => {
      const { loss, gradients, auxiliary } = valueAndGradients((own) => {
        const output = objective.loss(model, own, batch, { training: true, randomKey });
        return { loss: output.loss, auxiliary: output.metrics ?? {} };
      }, parameters);
      const gradientNorm = globalNorm(gradients);
      const updated = optimizer.update({ gradients, parameters, state, step, learningRate, gradientNorm });
      const metrics = auxiliary as Record<string, tf.Tensor>;
      const clash = Object.keys(metrics).find((name) => (LOOP_METRICS as readonly string[]).includes(name));
      if (clash !== undefined) {
        throw new PluginError(`The objective names a metric "${clash}", which the training loop gives itself.`, {
          code: 'training.metric-name',
        });
      }
      return {
        parameters: inOrderOf(parameters, updated.parameters, 'parameters'),
        state: inOrderOf(state, updated.state, 'state'),
        numbers: tf.stack(
          [loss, gradientNorm, ...Object.values(metrics)].map((value) => value.toFloat().reshape([])),
        ) as tf.Tensor1D,
        names: ['loss', 'gradNorm', ...Object.keys(metrics)],
      };
    },
    { name: 'trainStep', precision },
  );
}

/** L2 norm over all tensors together, float32. */
export function globalNorm(tensors: Readonly<Record<string, tf.Tensor>>): tf.Scalar {
  const squares = Object.values(tensors).map((tensor) => tf.sum(tf.square(tensor.toFloat())));
  return (squares.length === 0 ? tf.scalar(0) : tf.sqrt(tf.addN(squares))) as tf.Scalar;
}

/**
 * What the optimizer returns must be what it was given, by name, shape and dtype: the next step and a resumed run feed it
 * back. The order is kept too, because a compiled function belongs to one order of names.
 */
function inOrderOf(
  given: Readonly<Record<string, tf.Tensor>>,
  returned: Readonly<Record<string, tf.Tensor>>,
  what: string,
): Record<string, tf.Tensor> {
  const extra = Object.keys(returned).find((name) => !Object.hasOwn(given, name));
  if (extra !== undefined) {
    throw new PluginError(`The optimizer's update returns ${what} "${extra}", which it was not given.`, {
      code: 'training.optimizer',
    });
  }
  return Object.fromEntries(
    Object.entries(given).map(([name, before]) => {
      const after = returned[name] as tf.Tensor | undefined;
      if (after?.shape.join() !== before.shape.join() || after.dtype !== before.dtype) {
        const got = after ? `${after.dtype} [${after.shape.join(', ')}]` : 'nothing';
        throw new PluginError(
          `The optimizer's update returns ${got} for ${what} "${name}"; expected ${before.dtype} [${before.shape.join(', ')}].`,
          { code: 'training.optimizer' },
        );
      }
      return [name, after];
    }),
  );
}
