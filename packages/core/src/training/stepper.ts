import { PluginError, tf, type Engine } from '@graft/engine';
import { callComponent, componentName } from '../components/calls';
import type { HostFields, Model, Objective, Optimizer, Schedule } from '../interfaces';
import type { RandomStream } from '../random/streams';
import { splitBatch, uploadBatch } from '../data/loader';
import { ParameterGroups } from './parameter-groups';
import type { ParameterStorage } from './parameter-storage';
import { SplitStep } from './split-step';
import { makeTrainStep, type StepOutputs, type TrainStep, type TrainStepOptions } from './step';
import type { TrainingState } from './update';
import { OneDevice } from '../distributed/one-device';
import type { Placement } from '../distributed/placement';

export interface StepperSettings extends Omit<TrainStepOptions, 'donate'>, ParameterStorage {
  /** Steps of the whole run, for the schedule. */
  readonly steps: number;
  readonly microBatches?: number;
}

/** The components of a step. */
export interface StepperParts {
  readonly engine: Engine;
  readonly model: Model;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  /** Each step draws from its own fork. */
  readonly random: RandomStream;
  /** Likewise, for stochastic rounding: the same in all workers. */
  readonly rounding: RandomStream;
  /** Where tensors are, and who computes what. Default: one device. */
  readonly placement?: Placement;
}

const THE_SCHEDULE = 'The schedule';

function refuseRate(value: unknown, what: string): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return;
  const got = typeof value === 'string' ? `"${value}"` : String(value);
  throw new PluginError(`${what} ${got}; expected a finite number >= 0.`, { code: 'training.learning-rate' });
}

const rowsOf = (fields: HostFields): number => Object.values(fields)[0]?.shape[0] ?? 0;

/** Trains a model's parameters on one batch after the other: in one compiled function, or in parts that are summed. */
export class Stepper {
  private readonly whole: TrainStep | undefined;
  private readonly split: SplitStep | undefined;
  private readonly placement: Placement;

  constructor(
    private readonly parts: StepperParts,
    private readonly settings: StepperSettings,
  ) {
    const { engine, model, objective, optimizer } = parts;
    const placement: Placement = parts.placement ?? new OneDevice();
    this.placement = placement;
    const { groups = ParameterGroups.of(model, {}), microBatches = 1 } = settings;
    if (microBatches > 1 || placement.reduce)
      this.split = new SplitStep(engine, model, objective, optimizer, { ...settings, groups, placement });
    else this.whole = makeTrainStep(engine, model, objective, optimizer, { ...settings, donate: true, placement });
  }

  /**
   * The step after `done` ones, on this worker's rows. Takes ownership of the training state, and returns the new one.
   * Calls `whileRunning` when the computation has begun.
   */
  async run(
    { parameters, state, average }: TrainingState,
    done: number,
    fields: HostFields,
    whileRunning: () => void,
  ): Promise<{ after: TrainingState; values: Record<string, number> }> {
    const { settings } = this;
    const { placement } = this;
    const { objective, random } = this.parts;
    const learningRate = this.learningRate(done);
    const [low, high] = random.fork(done).key();
    const { count, rank } = placement.slice ?? { count: 1, rank: 0 };
    const { microBatches = 1 } = settings;
    const unit = count > 1 ? 'the workers times train.microBatches' : 'train.microBatches';
    const parts = splitBatch(fields, microBatches, unit).map((part, i) => ({
      batch: uploadBatch(part),
      // One key for the step, and the index of the part's first row in the whole batch, of which this worker has a
      // part.
      randomKey: tf.tensor1d([low, high, (rank * microBatches + i) * rowsOf(part)], 'int32'),
    }));
    const scalars = {
      step: tf.scalar(done),
      learningRate: tf.scalar(learningRate),
      ...(this.rounds ? { roundingKey: tf.tensor1d([...this.parts.rounding.fork(done).key(), 0], 'int32') } : {}),
    };
    try {
      for (const { batch } of parts) await placement.batch(batch);
      const inputs = {
        parameters,
        state,
        average,
        ...scalars,
        phase: settings.groups?.phaseAt(done),
        variant: objective.variantAt?.(done, random.fork('variant')),
      };
      const running: Promise<StepOutputs> = this.whole
        ? this.whole.async({ ...inputs, ...parts[0] })
        : this.split!.async({ ...inputs, phase: inputs.phase ?? 0, microBatches: parts });
      whileRunning();
      const { numbers, names, ...after } = await running;
      const read = await numbers.data();
      numbers.dispose();
      return { after, values: { ...Object.fromEntries(names.map((name, i) => [name, read[i]])), learningRate } };
    } finally {
      tf.dispose([scalars, parts] as unknown as tf.TensorContainer);
    }
  }

  /** Whether an update draws random numbers. */
  private get rounds(): boolean {
    const { parameterDtype, masterWeights } = this.settings;
    return (this.parts.optimizer.drawsRandom ?? false) || (parameterDtype === 'bfloat16' && masterWeights === 'none');
  }

  /** The learning rate of the step after `done` ones. Throws PluginError if it is not a valid one. */
  private learningRate(done: number): number {
    const { settings } = this;
    const { optimizer, schedule } = this.parts;
    const base = optimizer.learningRate;
    refuseRate(base, `${componentName(optimizer, 'The optimizer')} has the learning rate`);
    const factor = callComponent(schedule, THE_SCHEDULE, 'factor', () => schedule.factor(done, settings.steps));
    refuseRate(factor, `${componentName(schedule, THE_SCHEDULE)} gives step ${done + 1} the factor`);
    return base * factor;
  }

  /** Milliseconds of tracing, compiling and first execution of all steps so far; 0 if the engine does not compile. */
  get compileMs(): number {
    if (!this.whole) return this.split!.compileMs;
    const { traceMs, firstRunMs } = this.whole.statistics;
    return traceMs + firstRunMs;
  }

  dispose(): void {
    this.whole?.dispose();
    this.split?.dispose();
  }
}
