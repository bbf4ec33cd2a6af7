import { tf, type Engine, type Precision } from '@graft/engine';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type {
  Callback,
  Dataset,
  HostFields,
  JsonValue,
  Model,
  Objective,
  Optimizer,
  OptimizerState,
  Parameters,
  RunInfo,
  Schedule,
} from '../interfaces';
import type { Logger } from '../logger';
import type { RandomStream } from '../random';
import type { EvaluationRecord, RunFolder } from '../run/folder';
import { MetricsFile } from '../run/metrics';
import { failedAt, TrainingError } from './errors';
import { Evaluations, type NamedEvaluator } from './evaluations';
import { BatchLoader, uploadBatch } from './loader';
import { createProgress, type Progress } from './progress';
import { sweepSnapshots, writeSnapshot } from './snapshots';
import { makeTrainStep, type TrainStep } from './step';
import type { Trackers } from './trackers';

/** A callback and what the config calls it. */
export interface NamedCallback {
  readonly name: string;
  readonly callback: Callback;
}

export interface TrainingParts {
  readonly engine: Engine;
  readonly model: Model;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly dataset: Dataset;
  readonly evaluators: readonly NamedEvaluator[];
  readonly trackers: Trackers;
  readonly callbacks: readonly NamedCallback[];
}

export interface TrainingSettings {
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly precision: Precision;
  /** Steps between checkpoints; 0: only at the end. */
  readonly checkpointEvery: number;
  readonly keepCheckpoints: number;
  /** Steps at the start in which only cross-attention trains. Default 0. */
  readonly crossAttentionWarmupSteps?: number;
  readonly logEvery: number;
}

export interface TrainingContext {
  readonly folder: RunFolder;
  readonly run: RunInfo;
  readonly random: { data: RandomStream; dropout: RandomStream; sampling: RandomStream };
  readonly logger: Logger;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: number, metrics: Readonly<Record<string, number>>) => void;
}

export interface TrainingResult {
  readonly status: 'finished' | 'interrupted';
  /** Steps done, those before a resume included. */
  readonly steps: number;
  readonly lastMetrics: Readonly<Record<string, number>>;
  readonly evaluations: readonly EvaluationRecord[];
}

/** What training begins with, or goes on with. */
export interface TrainingStart {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  readonly step: number;
  /** The snapshot that these come from, if any. */
  readonly checkpoint?: string;
}

/** What is open while the loop runs. */
interface Open {
  readonly loader: BatchLoader;
  readonly metrics: MetricsFile;
  readonly evaluations: Evaluations;
  readonly progress: Progress;
  readonly trainStep: TrainStep;
}

/** The optimizer steps of one run. Owns parameters and optimizer state until `dispose`. */
export class TrainingLoop {
  private parameters: Parameters;
  private state: OptimizerState;
  private step: number;
  /** The step whose state is safe: of the newest checkpoint, or the one that training began with. */
  private savedStep: number;
  private lastCheckpoint: string | undefined;
  /** Behind the last batch that was used; not behind the one that is loaded ahead. */
  private position: JsonValue;
  private lastMetrics: Readonly<Record<string, number>> = {};
  /** false once parameters hold what no checkpoint should, or a checkpoint could not be written. */
  private worthSaving = true;

  constructor(
    private readonly parts: TrainingParts,
    private readonly settings: TrainingSettings,
    private readonly context: TrainingContext,
    start: TrainingStart,
  ) {
    this.parameters = start.parameters;
    this.state = start.state;
    this.step = this.savedStep = start.step;
    this.lastCheckpoint = start.checkpoint;
    this.position = structuredClone(parts.dataset.position());
  }

  /** Trains to the last step, or until the signal; saves either way. */
  async run(): Promise<TrainingResult> {
    const { parts, settings, context } = this;
    await sweepSnapshots(context.folder.checkpoints);
    const evaluations = await Evaluations.open(parts.evaluators, {
      step: this.step,
      totalSteps: settings.steps,
      model: parts.model,
      random: context.random.sampling,
      folder: context.folder,
    });
    const metrics = await MetricsFile.open(context.folder.metricsFile, this.step);
    const open: Open = {
      metrics,
      evaluations,
      loader: new BatchLoader(
        parts.dataset,
        parts.objective,
        parts.model,
        settings.batchSize,
        context.random.data,
        this.step,
      ),
      trainStep: makeTrainStep(parts.engine, parts.model, parts.objective, parts.optimizer, settings),
      progress: createProgress({
        name: context.run.name,
        from: this.step,
        to: settings.steps,
        ...context,
        logEvery: settings.logEvery,
      }),
    };
    try {
      await this.toTheEnd(open);
    } catch (error) {
      await this.rescue(open);
      throw error;
    } finally {
      open.progress.stop();
      open.trainStep.dispose();
      await metrics.close().catch(() => undefined);
      await open.loader.close().catch(() => undefined);
    }
    return {
      status: this.step < settings.steps || evaluations.owes(this.step) ? 'interrupted' : 'finished',
      steps: this.step,
      lastMetrics: this.lastMetrics,
      evaluations: evaluations.records,
    };
  }

  /** Frees parameters and optimizer state. */
  dispose(): void {
    tf.dispose(this.parameters);
    tf.dispose(this.state);
  }

  private get interrupted(): boolean {
    return this.context.signal?.aborted ?? false;
  }

  private async toTheEnd(open: Open): Promise<void> {
    const { settings, context } = this;
    await this.callbacks('onStart', (callback) => callback.onStart?.(context.run));
    await this.evaluate(open);
    while (this.step < settings.steps && !this.interrupted) {
      await this.oneStep(open);
      const due = settings.checkpointEvery > 0 && this.step % settings.checkpointEvery === 0;
      // Before the evaluations, which may fail or take long; a resumed run makes up for them.
      if (due || this.step === settings.steps) await this.checkpoint(open.metrics);
      await this.evaluate(open);
      // Signals are delivered between turns of the event loop, and a step that computes on this thread makes no such turn.
      await nextTurn();
    }
    open.progress.stop();
    await this.checkpoint(open.metrics);
    await this.callbacks('onFinish', (callback) => callback.onFinish?.(context.run));
  }

  private async oneStep({ loader, trainStep, metrics, progress }: Open): Promise<void> {
    const { parts, settings, context } = this;
    const began = performance.now();
    const batch = await loader.next();
    const waitSeconds = (performance.now() - began) / 1000;
    const { loss, gradNorm, learningRate, ...others } = await this.compute(trainStep, batch.fields, () => {
      if (this.step + 1 < settings.steps) loader.prefetch();
    });
    this.step++;
    this.position = batch.position;
    this.checkFinite(loss, gradNorm);
    const seconds = (performance.now() - began) / 1000;
    const tokensPerSecond = batch.tokens / seconds;
    this.lastMetrics = {
      step: this.step,
      loss,
      gradNorm,
      learningRate,
      tokensPerSecond,
      ...others,
      seconds,
      waitSeconds,
    };
    metrics.append(this.lastMetrics);
    progress.step(this.step, this.lastMetrics);
    parts.trackers.log(this.step, this.lastMetrics);
    context.onStep?.(this.step, this.lastMetrics);
    const info = { step: this.step, metrics: this.lastMetrics, parameters: this.parameters, run: context.run };
    await this.callbacks('onStep', (callback) => callback.onStep?.(info));
  }

  private async compute(
    trainStep: TrainStep,
    fields: HostFields,
    whileRunning: () => void,
  ): Promise<Record<string, number>> {
    const { optimizer, schedule } = this.parts;
    const learningRate = optimizer.learningRate * schedule.factor(this.step, this.settings.steps);
    const inputs = {
      step: tf.scalar(this.step),
      learningRate: tf.scalar(learningRate),
      randomKey: tf.tensor1d(this.context.random.dropout.fork(this.step).key(), 'int32'),
      batch: uploadBatch(fields),
    };
    const onlyCrossAttention = this.step < (this.settings.crossAttentionWarmupSteps ?? 0);
    try {
      const running = trainStep.async({
        parameters: this.parameters,
        state: this.state,
        ...inputs,
        onlyCrossAttention,
      });
      whileRunning();
      const outputs = await running;
      this.dispose();
      this.parameters = outputs.parameters;
      this.state = outputs.state;
      const values = await outputs.numbers.data();
      outputs.numbers.dispose();
      return { ...Object.fromEntries(outputs.names.map((name, i) => [name, values[i]])), learningRate };
    } finally {
      tf.dispose(inputs);
    }
  }

  private checkFinite(loss: number, gradNorm: number): void {
    if (Number.isFinite(loss) && Number.isFinite(gradNorm)) return;
    this.worthSaving = false;
    const what = Number.isFinite(loss) ? `the gradient norm is ${gradNorm}` : `the loss is ${loss}`;
    const rescue = this.lastCheckpoint
      ? `The last good checkpoint is ${this.lastCheckpoint}.`
      : 'No checkpoint was written before it.';
    throw new TrainingError(`At step ${this.step} (batch ${this.step}) ${what}, and training stopped. ${rescue}`, {
      code: 'training.non-finite',
      hint: 'Lower optimizer.learningRate, set optimizer.clipNorm, or look at that batch.',
    });
  }

  private async checkpoint(metrics: MetricsFile): Promise<void> {
    if (this.savedStep === this.step) return;
    const { folder } = this.context;
    try {
      await metrics.flush();
      this.lastCheckpoint = await writeSnapshot(folder.checkpoints, this.settings.keepCheckpoints, {
        model: this.parts.model,
        parameters: this.parameters,
        optimizer: this.state,
        state: { step: this.step, seed: this.settings.seed, data: this.position, metricsLines: this.step },
      });
    } catch (error) {
      this.worthSaving = false;
      throw error;
    }
    this.savedStep = this.step;
    await folder.update({ steps: this.step });
  }

  /** A run that fails for a reason outside of its parameters keeps the steps that it did. */
  private async rescue({ metrics, progress }: Open): Promise<void> {
    progress.stop();
    if (!this.worthSaving || this.savedStep === this.step) return;
    try {
      await this.checkpoint(metrics);
      progress.note(`Saved at step ${this.step}.`);
    } catch {
      // The error that brought us here is the one to tell.
    }
  }

  private async evaluate({ evaluations, progress }: Open): Promise<void> {
    const { trackers } = this.parts;
    await evaluations.run(
      this.step,
      this.parameters,
      ({ step, evaluator, metrics }) => {
        trackers.log(
          step,
          Object.fromEntries(Object.entries(metrics).map(([key, value]) => [`${evaluator}/${key}`, value])),
        );
        const numbers = Object.entries(metrics).map(([key, value]) => `${key} ${Number(value.toPrecision(6))}`);
        progress.note(`${evaluator} at step ${step}: ${numbers.join(', ')}`);
      },
      this.context.signal,
    );
  }

  private async callbacks(joint: keyof Callback, call: (callback: Callback) => Promise<void> | void): Promise<void> {
    for (const { name, callback } of this.parts.callbacks) {
      try {
        await call(callback);
      } catch (error) {
        throw failedAt(`Callback "${name}" at step ${this.step} (${joint})`, error);
      }
    }
  }
}
