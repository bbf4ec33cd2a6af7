import { PluginError, tf, type Engine } from '@graft/engine';
import { callComponent, componentName } from '../components/calls';
import type { BatchTensors, HostFields, Model, Objective, Optimizer, Schedule } from '../interfaces';
import type { RandomStream } from '../random/streams';
import type { ChangingModel } from './changing-model';
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
  /** The model at each step. Default: it stays as it is. */
  readonly changing?: ChangingModel;
}

const THE_SCHEDULE = 'The schedule';

function refuseRate(value: unknown, what: string): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return;
  const got = typeof value === 'string' ? `"${value}"` : String(value);
  throw new PluginError(`${what} ${got}; expected a finite number >= 0.`, { code: 'training.learning-rate' });
}

const rowsOf = (fields: BatchTensors): number => Object.values(fields)[0]?.shape[0] ?? 0;

/** Trains a model's parameters on one batch after the other: in one compiled function, or in parts that are summed. */
export class Stepper {
  private readonly whole: TrainStep | undefined;
  private readonly split: SplitStep | undefined;
  private readonly placement: Placement;
  /** A batch that is on its way to the device, or there. */
  private ahead: { readonly fields: HostFields; readonly batches: Promise<BatchTensors[]> } | undefined;

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
    const { objective, random } = this.parts;
    const learningRate = this.learningRate(done);
    const [low, high] = random.fork(done).key();
    const rank = this.placement.slice?.rank ?? 0;
    const batches = await this.placed(fields);
    const parts = batches.map((batch, i) => ({
      batch,
      // One key for the step, and the index of the part's first row in the whole batch, of which this worker has a
      // part.
      randomKey: tf.tensor1d([low, high, (rank * batches.length + i) * rowsOf(batch)], 'int32'),
    }));
    const scalars = {
      step: tf.scalar(done),
      learningRate: tf.scalar(learningRate),
      ...(this.rounds ? { roundingKey: tf.tensor1d([...this.parts.rounding.fork(done).key(), 0], 'int32') } : {}),
    };
    try {
      const inputs = {
        parameters,
        state,
        average,
        ...scalars,
        ...this.parts.changing?.formOfStep(done),
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

  /**
   * Starts copying the next step's batch to the device while this step computes there. What is wrong with it is thrown
   * by the `run` that gets it.
   */
  uploadAhead(fields: HostFields): void {
    this.forget();
    const batches = this.upload(fields);
    batches.catch(() => undefined);
    this.ahead = { fields, batches };
  }

  /** The micro-batches of a batch, on the device. The caller owns them. */
  private placed(fields: HostFields): Promise<BatchTensors[]> {
    const { ahead } = this;
    if (ahead?.fields !== fields) return this.upload(fields);
    this.ahead = undefined;
    return ahead.batches;
  }

  private async upload(fields: HostFields): Promise<BatchTensors[]> {
    const { placement } = this;
    const { engine } = this.parts;
    const unit = (placement.slice?.count ?? 1) > 1 ? 'the workers times train.microBatches' : 'train.microBatches';
    const batches = splitBatch(fields, this.settings.microBatches ?? 1, unit).map(uploadBatch);
    try {
      for (const batch of batches) await placement.batch(batch);
      engine.upload(batches);
      return batches;
    } catch (error) {
      tf.dispose(batches);
      throw error;
    }
  }

  /** Frees a batch that no step takes. */
  private forget(): void {
    this.ahead?.batches.then(
      (batches) => tf.dispose(batches),
      () => undefined,
    );
    this.ahead = undefined;
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
    this.forget();
    this.whole?.dispose();
    this.split?.dispose();
  }
}
