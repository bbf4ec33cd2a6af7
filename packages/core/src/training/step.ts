import {
  PluginError,
  tf,
  valueAndGradients,
  type Engine,
  type JitOptions,
  type Jitted,
  type Precision,
  type RandomKey,
} from '@graft/engine';
import { callComponent, componentName, wrongResult } from '../components/calls';
import { lending } from '../components/lending';
import { isObject } from '../util/objects';
import type { BatchTensors, LossOutput, Model, Objective, Optimizer, OptimizerState, Parameters } from '../interfaces';
import { OneDevice } from '../distributed/one-device';
import type { StepPlacement } from '../distributed/placement';
import type { GradientReport } from './gradient-check';
import { ParameterGroups } from './parameter-groups';
import { widenedAll } from './parameter-storage';
import { globalNorm, updated, type TrainingState, type UpdateSettings } from './update';

/** The form of a model with a `transition` at a step. Static: one compilation for each value. */
export interface StepForm {
  /** Steps that were done when the model was built, if its form changes with every step. */
  readonly changesSince?: number;
  /** Whether it has its last form. */
  readonly hasChanged?: boolean;
}

export interface StepInputs extends StepForm {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** The moving average of the parameters. Default: none. */
  readonly average?: Parameters;
  /** float32 scalars: steps done before this one, and its learning rate. */
  readonly step: tf.Scalar;
  readonly learningRate: tf.Scalar;
  /** int32 [3]: see ForwardOptions. */
  readonly randomKey: tf.Tensor;
  readonly batch: BatchTensors;
  /** int32 [3], for stochastic rounding: see `updated`. */
  readonly roundingKey?: RandomKey;
  /**
   * Which groups of parameters train, and which of the objective's variants counts. Static: one compilation for each
   * value.
   */
  readonly phase?: number;
  readonly variant?: string;
}

export interface StepOutputs extends TrainingState {
  /** float32 [names.length]: every number to log, so that one read fetches them all. */
  readonly numbers: tf.Tensor1D;
  readonly names: readonly string[];
}

export type TrainStep = Jitted<[StepInputs], StepOutputs>;

/** Metrics that the loop itself adds; an objective's metrics need other names. */
export const LOOP_METRICS = [
  'step',
  'loss',
  'gradNorm',
  'learningRate',
  'tokensPerSecond',
  'seconds',
  'waitSeconds',
  'waitShare',
  'residentMemoryBytes',
  'cpuCores',
  'compileSeconds',
] as const;

export interface TrainStepOptions extends Partial<Pick<UpdateSettings, 'groups' | 'averageDecay' | 'skipNonFinite'>> {
  readonly precision?: Precision;
  /**
   * Whether the call takes ownership of parameters, state and average: it disposes them, and reuses their memory for
   * the new ones.
   */
  readonly donate?: boolean;
  /** Where activations and gradients are. Default: one device. */
  readonly placement?: StepPlacement;
  /** Called with the memory needs of each new kind of step, before it runs. */
  readonly onTrace?: JitOptions['onTrace'];
  /**
   * Called for each loss during tracing (on engines that do not compile: at every step). An error that it throws ends
   * the step.
   */
  readonly onGradients?: (report: GradientReport) => void;
}

/**
 * Forward, backward and update as one compiled function. The caller disposes outputs, and inputs that are not donated.
 */
export function makeTrainStep(
  engine: Engine,
  model: Model,
  objective: Objective,
  optimizer: Optimizer,
  options: TrainStepOptions = {},
): TrainStep {
  const { precision, onTrace, onGradients, donate = false, groups = ParameterGroups.of(model, {}) } = options;
  const { averageDecay, skipNonFinite } = options;
  const placement: StepPlacement = options.placement ?? new OneDevice();
  const settings = { groups, optimizer, averageDecay, skipNonFinite };
  return engine.jit(
    ({ batch, randomKey, variant, average = {}, phase = groups.phaseAt(0), ...inputs }: StepInputs): StepOutputs => {
      const { loss, metrics, sums, ...computed } = placement.pass(() =>
        lossAndGradients(modelWithin(model, inputs), objective, groups, {
          ...inputs,
          batch,
          randomKey,
          phase,
          variant,
          onGradients,
        }),
      );
      const gradients = placement.gradients(computed.gradients);
      const gradientNorm = globalNorm(gradients);
      const all = { ...metrics, ...sums };
      return {
        ...updated({ ...inputs, average, gradients, loss, gradientNorm, phase }, settings),
        numbers: vector([loss, gradientNorm, ...Object.values(all)]),
        names: ['loss', 'gradNorm', ...Object.keys(all)],
      };
    },
    { name: 'trainStep', precision, onTrace, donates: donate ? ['parameters', 'state', 'average'] : [] },
  );
}

/** The model of a compiled step. */
export function modelWithin(
  model: Model,
  { step, changesSince, hasChanged }: StepForm & { readonly step?: tf.Scalar },
): Model {
  const { transition } = model;
  if (transition && hasChanged) return transition.at(transition.steps);
  return transition && step && changesSince !== undefined ? transition.at(tf.sub(step, changesSince)) : model;
}

export interface LossAndGradients {
  readonly loss: tf.Scalar;
  /** Of the parameters that the phase trains. */
  readonly gradients: Parameters;
  readonly weight: tf.Scalar;
  readonly metrics: Record<string, tf.Scalar>;
  readonly sums: Record<string, tf.Scalar>;
}

/** The objective's loss and its gradients. Throws PluginError if a metric's name is already in use. Traceable. */
export function lossAndGradients(
  model: Model,
  objective: Objective,
  groups: ParameterGroups,
  {
    parameters,
    batch,
    randomKey,
    phase,
    variant,
    onGradients,
  }: Pick<StepInputs, 'parameters' | 'batch' | 'randomKey' | 'variant'> &
    Pick<TrainStepOptions, 'onGradients'> & { readonly phase: number },
): LossAndGradients {
  // Gradients are those of the float32 numbers, also where bfloat16 is stored.
  const wide = widenedAll(parameters);
  const groupsOfPhase = groups.trained(phase, wide, {}, tf.scalar(0)).map((group) => group.parameters);
  const trained = Object.assign({}, ...groupsOfPhase) as Parameters;
  const who = componentName(objective, THE_OBJECTIVE);
  const forward = (own: Parameters): { loss: tf.Scalar; auxiliary: Required<Omit<LossOutput, 'loss'>> } => {
    const output = callComponent(objective, THE_OBJECTIVE, 'loss', () =>
      lending({ ...wide, ...own }, who, (lent) =>
        objective.loss(model, lent, batch, { training: true, randomKey, variant }),
      ),
    );
    checkLoss(objective, output);
    const { loss, weight = tf.scalar(1), metrics = {}, sums = {} } = output;
    return { loss, auxiliary: { weight, metrics, sums } };
  };
  const { loss, gradients, auxiliary, unreached } = callComponent(
    objective,
    THE_OBJECTIVE,
    'the gradient of loss',
    () => valueAndGradients(forward, trained),
  );
  onGradients?.({ trained: Object.keys(trained), unreached, variant });
  const { metrics, sums } = auxiliary as Pick<LossAndGradients, 'metrics' | 'sums'>;
  const clash = [...Object.keys(metrics), ...Object.keys(sums)].find((name) =>
    (LOOP_METRICS as readonly string[]).includes(name),
  );
  if (clash !== undefined) {
    throw new PluginError(`${who} names a metric "${clash}", which the training loop gives itself.`, {
      code: 'training.metric-name',
    });
  }
  return { loss, gradients, weight: auxiliary.weight, metrics, sums };
}

const THE_OBJECTIVE = 'The objective';

/** Throws PluginError for anything but scalars: plugins may be written without types. */
function checkLoss(objective: Objective, output: LossOutput): void {
  if (!isObject(output) || !('loss' in output)) {
    const expected = '{ loss, … } with a scalar tensor';
    throw wrongResult(objective, THE_OBJECTIVE, { what: 'what loss returns', got: output, expected });
  }
  const { loss, weight = loss, metrics = {}, sums = {} } = output;
  const scalars: [what: string, value: unknown][] = [
    ['the loss', loss],
    ['the weight', weight],
    ...Object.entries(metrics).map(([name, value]): [string, unknown] => [`the metric "${name}"`, value]),
    ...Object.entries(sums).map(([name, value]): [string, unknown] => [`the sum "${name}"`, value]),
  ];
  const wrong = scalars.find(([, value]) => !isScalar(value));
  if (!wrong) return;
  const [what, got] = wrong;
  throw wrongResult(objective, THE_OBJECTIVE, { what, got, expected: 'a scalar tensor' });
}

const isScalar = (value: unknown): value is tf.Scalar => value instanceof tf.Tensor && value.size === 1;

/** Scalars as one vector, float32. */
export const vector = (values: readonly tf.Tensor[]): tf.Tensor1D =>
  tf.stack(values.map((value) => value.toFloat().reshape([]))) as tf.Tensor1D;
