import { PluginError, tf, valueAndGradients, type Engine, type Jitted, type Precision } from '@graft/engine';
import type { BatchTensors, Model, Objective, Optimizer, OptimizerState, Parameters } from '../interfaces';
import { trainedGroups } from './parameter-groups';

export interface StepInputs {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** float32 scalars: steps done before this one, and its learning rate. */
  readonly step: tf.Scalar;
  readonly learningRate: tf.Scalar;
  /** int32 [2]. */
  readonly randomKey: tf.Tensor;
  readonly batch: BatchTensors;
  /** Everything but cross-attention stays as it is (paper, section 3.1). Static: each value is compiled for itself. */
  readonly onlyCrossAttention?: boolean;
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

export interface TrainStepOptions {
  readonly precision?: Precision;
  /** Steps at the start in which only cross-attention trains; the caller says with each step whether it is one of them. */
  readonly crossAttentionWarmupSteps?: number;
}

/** Forward, backward and update as one compiled function. The caller disposes inputs and outputs. */
export function makeTrainStep(
  engine: Engine,
  model: Model,
  objective: Objective,
  optimizer: Optimizer,
  { precision, crossAttentionWarmupSteps: warmupSteps = 0 }: TrainStepOptions = {},
): TrainStep {
  return engine.jit(
    ({
      parameters,
      state,
      step,
      learningRate,
      randomKey,
      batch,
      onlyCrossAttention = false,
    }: StepInputs): StepOutputs => {
      const warmup = warmupSteps > 0 ? { steps: warmupSteps, onlyCrossAttention } : undefined;
      const groups = trainedGroups(model, parameters, state, step, warmup);
      const { loss, gradients, auxiliary } = valueAndGradients(
        (trained) => {
          const output = objective.loss(model, { ...parameters, ...trained }, batch, { training: true, randomKey });
          return { loss: output.loss, auxiliary: output.metrics ?? {} };
        },
        Object.assign({}, ...groups.map((group) => group.parameters)) as Parameters,
      );
      const gradientNorm = globalNorm(gradients);
      const updated = { parameters: { ...parameters }, state: { ...state } };
      for (const group of groups) {
        const own = Object.fromEntries(Object.keys(group.parameters).map((name) => [name, gradients[name]]));
        const after = optimizer.update({ ...group, gradients: own, learningRate, gradientNorm });
        Object.assign(updated.parameters, inOrderOf(group.parameters, after.parameters, 'parameters'));
        Object.assign(updated.state, inOrderOf(group.state, after.state, 'state'));
      }
      const metrics = auxiliary as Record<string, tf.Tensor>;
      const clash = Object.keys(metrics).find((name) => (LOOP_METRICS as readonly string[]).includes(name));
      if (clash !== undefined) {
        throw new PluginError(`The objective names a metric "${clash}", which the training loop gives itself.`, {
          code: 'training.metric-name',
        });
      }
      return {
        ...updated,
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
