import { PluginError, tf, type RandomKey } from '@graft/engine';
import { callComponent, componentName, wrongResult } from '../components/calls';
import { lending } from '../components/lending';
import { show } from '../util/show';
import { isObject } from '../util/objects';
import type { Optimizer, OptimizerState, OptimizerUpdate, Parameters } from '../interfaces';
import type { ParameterGroups } from './parameter-groups';
import { isPacked, masterKey, namedKey, narrowed, separated, widened } from './parameter-storage';
import { isRecord, kindOf } from '../util/returned';

/** The tensors that a run trains, as one tree. */
export interface TrainingState {
  /** float32, or packed bfloat16 (`parameter-storage.ts`). */
  readonly parameters: Parameters;
  /** The optimizer's, and the float32 masters of bfloat16 parameters. */
  readonly state: OptimizerState;
  /** The exponential moving average of the parameters; empty if there is none. */
  readonly average: Parameters;
}

export interface UpdateSettings {
  readonly groups: ParameterGroups;
  readonly optimizer: Optimizer;
  /** Decay of the moving average of the parameters. Undefined: there is none. */
  readonly averageDecay?: number;
  /** Whether a step with a loss or gradient norm that is not finite leaves everything unchanged. */
  readonly skipNonFinite?: boolean;
}

export interface UpdateInputs extends TrainingState {
  /** Of the parameters that the phase trains. */
  readonly gradients: Parameters;
  readonly loss: tf.Scalar;
  readonly gradientNorm: tf.Scalar;
  /** float32 scalars: steps done before this one, and its learning rate. */
  readonly step: tf.Scalar;
  readonly learningRate: tf.Scalar;
  readonly phase: number;
  /** int32 [3]: for stochastic rounding. Without it, bfloat16 parameters without masters are rounded to the nearest. */
  readonly roundingKey?: RandomKey;
}

/** Dtypes of an optimizer's state that checkpoints can store. */
const STORED_DTYPES: readonly tf.DataType[] = ['float32', 'int32'];

/**
 * The state with which an optimizer starts, in separate tensors. Throws PluginError, naming the key, for state that a
 * checkpoint could not store later.
 */
export function initialState(optimizer: Optimizer, parameters: Parameters): OptimizerState {
  const name = componentName(optimizer, THE_OPTIMIZER);
  return tf.tidy(() => {
    const made: unknown = callComponent(optimizer, THE_OPTIMIZER, 'init', () =>
      lending(parameters, name, (lent) => optimizer.init(lent)),
    );
    const refused = (got: string): PluginError =>
      new PluginError(`${name}: init returned ${got}; expected float32 or int32 tensors by name.`, {
        code: 'training.optimizer',
      });
    if (made instanceof Promise) made.catch(() => undefined);
    if (!isRecord(made)) throw refused(kindOf(made));
    const taken = new Set<tf.Tensor>(Object.values(parameters));
    return Object.fromEntries(
      Object.entries(made).map(([key, value]) => {
        if (!(value instanceof tf.Tensor)) throw refused(`${kindOf(value)} for "${key}"`);
        if (!STORED_DTYPES.includes(value.dtype)) throw refused(`a ${value.dtype} tensor for "${key}"`);
        // The compiled step takes ownership of each of them.
        const own = taken.has(value) ? value.clone() : value;
        taken.add(own);
        return [key, own];
      }),
    );
  });
}

/** Parameters, optimizer state and moving average after a step. Traceable. */
export function updated(inputs: UpdateInputs, settings: UpdateSettings): TrainingState {
  const { parameters, state, average, gradients, step, gradientNorm, phase, roundingKey } = inputs;
  const after = { parameters: { ...parameters }, state: { ...state }, average };
  const { masters, own: stateOfOptimizer } = separated(state, parameters);
  // Of the parameters that train, the numbers that the optimizer updates.
  const wide = Object.fromEntries(
    Object.entries(parameters).map(([name, tensor]) => [
      name,
      masters[name] ?? (Object.hasOwn(gradients, name) ? widened(tensor) : tensor),
    ]),
  );
  const taken = new Set<string>();
  for (const group of settings.groups.trained(phase, wide, stateOfOptimizer, step)) {
    const { learningRateFactor, weightDecayFactor, ...own } = group;
    const learningRate: tf.Scalar =
      learningRateFactor === 1 ? inputs.learningRate : tf.mul(inputs.learningRate, learningRateFactor);
    const result = update(settings.optimizer, {
      ...own,
      gradients: Object.fromEntries(Object.keys(own.parameters).map((name) => [name, gradients[name]])),
      learningRate,
      gradientNorm,
      weightDecayFactor,
      ...(roundingKey && settings.optimizer.drawsRandom ? { randomKey: roundingKey } : {}),
    });
    const who = componentName(settings.optimizer, THE_OPTIMIZER);
    for (const [name, value] of Object.entries(inOrderOf(own.parameters, result.parameters, 'parameters', who))) {
      wide[name] = value;
      if (!isPacked(parameters[name])) after.parameters[name] = value;
      else if (masters[name]) {
        after.state[masterKey(name)] = value;
        after.parameters[name] = narrowed(value);
      } else after.parameters[name] = narrowed(value, roundingKey && namedKey(roundingKey, name));
    }
    for (const [key, value] of Object.entries(inOrderOf(own.state, result.state, 'state', who))) {
      // State that several groups share comes from the first.
      if (!taken.has(key)) after.state[key] = value;
      taken.add(key);
    }
  }
  if (settings.averageDecay !== undefined)
    after.average = movedAverage(average, precise(after, masters, wide), step, settings.averageDecay);
  if (!settings.skipNonFinite) return after;
  const ok = tf.logicalAnd(tf.isFinite(inputs.loss), tf.isFinite(gradientNorm));
  const chosen = (before: Parameters, now: Parameters): Parameters =>
    Object.fromEntries(
      Object.entries(now).map(([name, value]) => [
        name,
        value === before[name] ? value : where(ok, value, before[name]),
      ]),
    );
  return {
    parameters: chosen(parameters, after.parameters),
    state: chosen(state, after.state),
    average: chosen(average, after.average),
  };
}

const THE_OPTIMIZER = 'The optimizer';

/** The parameters after a step as precisely as the run has them: the masters, or else what is stored. */
const precise = (
  { parameters }: Pick<TrainingState, 'parameters'>,
  masters: Parameters,
  wide: Parameters,
): Parameters =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, tensor]) => [name, masters[name] ? wide[name] : widened(tensor)]),
  );

/** Throws PluginError for anything but parameters and state: plugins may be written without types. */
function update(optimizer: Optimizer, given: OptimizerUpdate): ReturnType<Optimizer['update']> {
  const result = callComponent(optimizer, THE_OPTIMIZER, 'update', () =>
    lending(given.parameters, componentName(optimizer, THE_OPTIMIZER), (parameters) =>
      optimizer.update({ ...given, parameters }),
    ),
  );
  const { parameters, state } = (result ?? {}) as Partial<typeof result>;
  if (!isObject(parameters) || !isObject(state)) {
    const expected = '{ parameters, state } with tensors by name';
    throw wrongResult(optimizer, THE_OPTIMIZER, { what: 'what update returns', got: result, expected });
  }
  return result;
}

const where = (condition: tf.Tensor, yes: tf.Tensor, no: tf.Tensor): tf.Tensor =>
  tf.where(tf.broadcastTo(condition.reshape(yes.shape.map(() => 1)), yes.shape), yes, no);

/**
 * decay * average + (1 - decay) * parameters. In the first steps the decay is (1 + steps) / (10 + steps) if that is
 * less, so that the average does not stay near the initial weights.
 */
function movedAverage(average: Parameters, parameters: Parameters, step: tf.Scalar, decay: number): Parameters {
  const share = tf.sub(1, tf.minimum(decay, tf.div(tf.add(step, 1), tf.add(step, 10))));
  return Object.fromEntries(
    Object.entries(average).map(([name, value]) => [
      name,
      tf.add(value, tf.mul(tf.sub(parameters[name], value), share)),
    ]),
  );
}

/** L2 norm over all tensors together, float32. */
export function globalNorm(tensors: Readonly<Record<string, tf.Tensor>>): tf.Scalar {
  const squares = Object.values(tensors).map((tensor) => tf.sum(tf.square(tensor.toFloat())));
  return (squares.length === 0 ? tf.scalar(0) : tf.sqrt(tf.addN(squares))) as tf.Scalar;
}

/**
 * An optimizer must return what it received, by name, shape and dtype: the next step and a resumed run pass it in
 * again. Keeps the order too, because a compiled function belongs to one order of names.
 */
function inOrderOf(
  given: Readonly<Record<string, tf.Tensor>>,
  returned: Readonly<Record<string, tf.Tensor>>,
  what: string,
  who: string,
): Record<string, tf.Tensor> {
  const extra = Object.keys(returned).find((name) => !Object.hasOwn(given, name));
  if (extra !== undefined) {
    throw new PluginError(`${who}: update returns ${what} "${extra}", which it was not given.`, {
      code: 'training.optimizer',
    });
  }
  return Object.fromEntries(
    Object.entries(given).map(([name, before]) => {
      const after = returned[name] as tf.Tensor | undefined;
      const got = after instanceof tf.Tensor ? describe(after) : show(after);
      if (got === describe(before)) return [name, after!];
      throw new PluginError(`${who}: update returns ${got} for ${what} "${name}"; expected ${describe(before)}.`, {
        code: 'training.optimizer',
      });
    }),
  );
}

const describe = ({ dtype, shape }: tf.Tensor): string => `${dtype} [${shape.join(', ')}]`;
