import { DataError, GraftError, tf, type Engine } from '@graft/engine';
import type {
  Callback,
  Dataset,
  Evaluator,
  HostFields,
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
import { BatchLoader, uploadBatch, type LoadedBatch } from './loader';
import { createProgress } from './progress';
import { writeSnapshot } from './snapshots';
import { makeTrainStep, type TrainStep } from './step';
import { Trackers } from './trackers';

export interface NamedEvaluator {
  readonly name: string;
  /** Steps between evaluations; 0: only at the end. */
  readonly every: number;
  readonly evaluator: Evaluator;
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
  readonly callbacks: readonly Callback[];
}

export interface TrainingSettings {
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly checkpointEvery: number;
  readonly keepCheckpoints: number;
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
  readonly step: number;
  readonly lastMetrics: Readonly<Record<string, number>>;
  readonly evaluations: readonly EvaluationRecord[];
}

/** Runs the optimizer steps of one run, from `startStep`. Owns parameters and optimizer state until `dispose`. */
export class TrainingLoop {
  private lastCheckpoint: string | undefined;
  private lastMetrics: Record<string, number> = {};
  private evaluations: EvaluationRecord[] = [];

  constructor(
    private readonly parts: TrainingParts,
    private readonly settings: TrainingSettings,
    private readonly context: TrainingContext,
    private parameters: Parameters,
    private state: OptimizerState,
    private step: number,
  ) {}

  async run(): Promise<TrainingResult> {
    const { parts, settings, context } = this;
    const loader = new BatchLoader(parts.dataset, parts.objective, parts.model, settings.batchSize, context.random.data, this.step);
    const metricsFile = await MetricsFile.open(context.folder.metricsFile, this.step);
    this.evaluations = (await context.folder.evaluations()).filter(({ step }) => step <= this.step);
    const progress = createProgress({
      name: context.run.name,
      from: this.step,
      to: settings.steps,
      logEvery: settings.logEvery,
      logger: context.logger,
      quiet: context.quiet,
    });
    const trainStep = makeTrainStep(parts.engine, parts.model, parts.objective, parts.optimizer);
    let position = parts.dataset.position();
    let saved = this.step;
    const checkpoint = async (): Promise<void> => {
      if (saved === this.step && this.lastCheckpoint !== undefined) return;
      await metricsFile.flush();
      this.lastCheckpoint = await writeSnapshot(context.folder.checkpoints, settings.keepCheckpoints, {
        model: parts.model,
        parameters: this.parameters,
        optimizer: this.state,
        state: { step: this.step, seed: settings.seed, data: position },
      });
      saved = this.step;
    };
    try {
      for (const callback of parts.callbacks) await callback.onStart?.(context.run);
      let interrupted = context.signal?.aborted ?? false;
      while (this.step < settings.steps && !interrupted) {
        const began = performance.now();
        const batch = await loader.next();
        if (!batch) throw this.outOfData();
        const waited = performance.now() - began;
        const numbers = await this.compute(trainStep, batch.fields, () => {
          if (this.step + 1 < settings.steps) loader.prefetch();
        });
        this.step++;
        position = batch.position;
        const seconds = (performance.now() - began) / 1000;
        this.lastMetrics = this.describe(batch, numbers, seconds, waited / 1000);
        // Written before anything can fail, so that the file shows what went wrong.
        metricsFile.append(this.lastMetrics);
        this.checkFinite(this.lastMetrics);
        progress.step(this.step, this.lastMetrics);
        parts.trackers.log(this.step, this.lastMetrics);
        context.onStep?.(this.step, this.lastMetrics);
        for (const callback of parts.callbacks) {
          await callback.onStep?.({ step: this.step, metrics: this.lastMetrics, parameters: this.parameters, run: context.run });
        }
        await this.evaluate(parts.evaluators.filter(({ every }) => every > 0 && this.step % every === 0 && this.step < settings.steps));
        interrupted = context.signal?.aborted ?? false;
        if (settings.checkpointEvery > 0 && this.step % settings.checkpointEvery === 0) await checkpoint();
      }
      progress.stop();
      await checkpoint();
      if (!interrupted) await this.evaluate(parts.evaluators);
      for (const callback of parts.callbacks) await callback.onFinish?.(context.run);
      return {
        status: interrupted ? 'interrupted' : 'finished',
        step: this.step,
        lastMetrics: this.lastMetrics,
        evaluations: this.evaluations,
      };
    } finally {
      progress.stop();
      trainStep.dispose();
      await loader.close();
      await metricsFile.close();
    }
  }

  /** Frees parameters and optimizer state. */
  dispose(): void {
    tf.dispose(this.parameters);
    tf.dispose(this.state);
  }

  private async compute(trainStep: TrainStep, fields: HostFields, whileRunning: () => void): Promise<Record<string, number>> {
    const { optimizer, schedule } = this.parts;
    const rate = optimizer.learningRate * schedule.factor(this.step, this.settings.steps);
    const inputs = {
      step: tf.scalar(this.step),
      learningRate: tf.scalar(rate),
      randomKey: tf.tensor1d(this.context.random.dropout.fork(this.step).key(), 'int32'),
      batch: uploadBatch(fields),
    };
    try {
      const running = trainStep.async({ parameters: this.parameters, state: this.state, ...inputs });
      whileRunning();
      const outputs = await running;
      tf.dispose(this.parameters);
      tf.dispose(this.state);
      this.parameters = outputs.parameters;
      this.state = outputs.state;
      const values = await outputs.numbers.data();
      outputs.numbers.dispose();
      return { ...Object.fromEntries(outputs.names.map((name, i) => [name, values[i]])), learningRate: rate };
    } finally {
      tf.dispose(inputs as unknown as tf.TensorContainer);
    }
  }

  private describe(batch: LoadedBatch, numbers: Readonly<Record<string, number>>, seconds: number, waited: number): Record<string, number> {
    const { loss, gradNorm, learningRate, ...others } = numbers;
    const tokens = this.parts.objective.countTokens?.(batch.fields) ?? countIds(batch.fields);
    return { step: this.step, loss, gradNorm, learningRate, tokensPerSecond: tokens / seconds, seconds, waitSeconds: waited, ...others };
  }

  private checkFinite({ step, loss, gradNorm }: Readonly<Record<string, number>>): void {
    if (Number.isFinite(loss) && Number.isFinite(gradNorm)) return;
    const what = Number.isFinite(loss) ? `the gradient norm is ${gradNorm}` : `the loss is ${loss}`;
    const rescue = this.lastCheckpoint ? `The last good checkpoint is ${this.lastCheckpoint}.` : 'No checkpoint was written before it.';
    throw new GraftError(`Step ${step}: ${what}. ${rescue}`, {
      code: 'training.non-finite',
      hint: 'Lower optimizer.learningRate, set optimizer.clipNorm, or look at the data of that step.',
    });
  }

  private outOfData(): DataError {
    return new DataError(`The data ended after ${this.step} steps, but train.steps is ${this.settings.steps}.`, {
      code: 'data.ended',
      hint: 'Lower train.steps, or let the dataset repeat.',
    });
  }

  private async evaluate(due: readonly NamedEvaluator[]): Promise<void> {
    for (const { name, evaluator } of due) {
      const metrics = await evaluator.evaluate({
        model: this.parts.model,
        parameters: this.parameters,
        step: this.step,
        random: this.context.random.sampling.fork(name),
      });
      this.evaluations.push({ step: this.step, evaluator: name, metrics });
      await this.context.folder.writeEvaluations(this.evaluations);
      const prefixed = Object.fromEntries(Object.entries(metrics).map(([key, value]) => [`${name}/${key}`, value]));
      this.parts.trackers.log(this.step, prefixed);
      const text = Object.entries(metrics)
        .map(([key, value]) => `${key} ${value.toFixed(4)}`)
        .join(', ');
      if (!this.context.quiet) this.context.logger.info(`${name} at step ${this.step}: ${text}`);
    }
  }
}

function countIds(fields: HostFields): number {
  return Object.entries(fields).reduce((sum, [name, { values }]) => (name.endsWith('input_ids') ? sum + values.length : sum), 0);
}
