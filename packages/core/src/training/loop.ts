import { tf, type Engine } from '@graft/engine';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { componentName } from '../components/calls';
import type { JsonValue, Model, Parameters } from '../interfaces';
import { Evaluations } from '../evaluation/evaluations';
import { baseOf, withMerged } from './lora/lora-model';
import { Callbacks } from './callbacks';
import { ChangingModel } from './changing-model';
import { MetricChoices } from './metric-choice';
import { LossMonitor } from './loss-monitor';
import type { BatchLoader, LoadedBatch } from '../data/loader';
import type { TrainingContext, TrainingParts, TrainingResult, TrainingSettings, TrainingStart } from './loop-types';
import { ParameterGroups, warmupWarning } from './parameter-groups';
import { explainOutOfMemory, memoryAdvice } from './memory';
import { MemoryWatch } from './memory-watch';
import { checkPosition } from '../data/positions';
import { withWidened } from './parameter-storage';
import { createProgress } from './progress';
import type { Progress } from './progress-types';
import type { MetricsSink } from './run-sink';
import { sampledBatch } from './sample-batch';
import { measureResources } from './resource-use';
import { stepMetrics } from './step-metrics';
import type { Stepper } from './stepper';
import { createLoader, createStepper } from './step-parts';
import type { TrainingState } from './update';
import { tokensOfAll } from './whole-batch';

/** The loop logs compilations that take longer: nothing else is visible meanwhile. */
const NOTED_COMPILE_SECONDS = 1;

/** Resources that are open while the loop runs. */
interface Open {
  readonly loader: BatchLoader;
  /** Only in worker 0. */
  readonly metrics?: MetricsSink;
  readonly evaluations?: Evaluations;
  readonly choices?: MetricChoices;
  readonly progress: Progress;
  readonly stepper: Stepper;
}

const isCompiled = ({ executor }: Engine): boolean => executor !== 'eager' && executor !== 'portable';

/** The optimizer steps of one run. Owns parameters and optimizer state until `dispose`. */
export class TrainingLoop {
  private trained: TrainingState;
  private lossMonitor: LossMonitor;
  private step: number;
  /** The first step of this process: once it is done, the run has results. */
  private readonly firstStep: number;
  /** The last step whose state is safe: that of the newest checkpoint, or the one from which training started. */
  private savedStep: number;
  private lastCheckpoint: string | undefined;
  /** Position after the last used batch, not after the one that is loaded ahead. */
  private position: JsonValue;
  private lastMetrics: Readonly<Record<string, number>> = {};
  /** false once the parameters contain values that no checkpoint should, or after a checkpoint could not be written. */
  private worthSaving = true;
  private readonly callbacks: Callbacks;
  /** Of the checkpoint that the run is resumed from. */
  private readonly callbackStates: TrainingStart['callbacks'];
  private readonly frozenDigest: string | undefined;
  private readonly memory: MemoryWatch;
  private readonly changing: ChangingModel;
  /** A callback has ended the training: no further step follows. */
  private isStopped = false;

  constructor(
    private readonly parts: TrainingParts,
    private readonly settings: TrainingSettings,
    private readonly context: TrainingContext,
    start: TrainingStart,
  ) {
    const { parameters, state, average } = start;
    this.trained = { parameters, state, average };
    this.lossMonitor = this.newLossMonitor();
    this.step = this.savedStep = start.step;
    this.firstStep = start.step + 1;
    this.changing = new ChangingModel(parts.model, start.step);
    this.lastCheckpoint = start.checkpoint;
    this.callbackStates = start.callbacks;
    this.frozenDigest = start.frozenDigest;
    this.position = structuredClone(parts.dataset.position());
    this.memory = new MemoryWatch(parts, settings, context);
    this.callbacks = new Callbacks(parts.callbacks, {
      run: context.run,
      model: parts.model,
      step: () => this.step,
      logger: context.logger,
    });
  }

  /** Trains to the last step, or until the signal; saves in both cases. */
  async run(): Promise<TrainingResult> {
    const { parts, settings, context } = this;
    const groups = ParameterGroups.of(parts.model, settings, settings.steps);
    const { sink } = context;
    const idle = warmupWarning(settings, settings.steps);
    if (sink && idle) context.logger.warn(idle);
    await sink?.removeHalfWritten();
    const evaluations =
      sink &&
      (await Evaluations.open({
        evaluators: parts.evaluators,
        step: this.step,
        totalSteps: settings.steps,
        model: (step) => baseOf(this.changing.after(step)),
        random: context.random.sampling,
        sink,
        onProgress: (evaluator, report) => open.progress.evaluating(evaluator, report),
      }));
    const choices =
      sink && new MetricChoices(settings, parts.evaluators, evaluations!.records, await sink.snapshotSteps());
    const metrics = await sink?.openMetrics(this.step);
    this.lossMonitor = this.newLossMonitor(await this.firstLoss());
    const open: Open = {
      metrics,
      evaluations,
      choices,
      loader: createLoader(parts, settings, context, this.step),
      stepper: createStepper({ ...parts, changing: this.changing }, settings, context, groups, (temporaryBytes) => {
        this.memory.warn(this.trained, temporaryBytes);
        open.progress.begin(`compiling step ${this.step + 1}`);
      }),
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
      await this.callbacks.failed();
      throw error;
    } finally {
      open.progress.stop();
      open.stepper.dispose();
      await metrics?.close().catch(() => undefined);
      await open.loader.close().catch(() => undefined);
    }
    return {
      status: this.status(open),
      steps: this.step,
      lastMetrics: this.lastMetrics,
      evaluations: evaluations?.records ?? [],
      stopped: this.isStopped ? this.stopReason(open) : undefined,
    };
  }

  /** Frees parameters and optimizer state. */
  dispose(): void {
    tf.dispose(this.trained as unknown as tf.TensorContainer);
  }

  private newLossMonitor(first?: number): LossMonitor {
    const { model } = this.parts;
    return new LossMonitor(this.settings, Math.log(model.vocabularySize), this.context.sink?.path, first);
  }

  /** The first loss of the run, also from before a resume: all workers use the one in the writing worker's file. */
  private async firstLoss(): Promise<number | undefined> {
    const { sink, placement } = this.context;
    const own = await sink?.firstLoss();
    return placement.group ? ((await placement.group.exchange(own ?? null))[0] ?? undefined) : own;
  }

  /** Why worker 0 ends the training before its last step. */
  private stopReason({ choices }: Open): string | undefined {
    return this.callbacks.stopReason ?? choices?.stopReason;
  }

  /**
   * Whether to do another step: not if the user of any worker wants to stop, or a callback or a metric does (worker
   * 0's). All workers stop at the same step. Saves a step that was found to be the best, which all workers do together.
   */
  private async goesOn(open: Open): Promise<boolean> {
    const own = {
      interrupted: this.context.signal?.aborted ?? false,
      stopped: this.stopReason(open) !== undefined,
      isBest: open.choices?.toKeep?.step === this.step,
    };
    const { group } = this.context.placement;
    const all = group ? await group.exchange(own) : [own];
    if (all.some(({ isBest }) => isBest)) await this.checkpoint(open);
    await this.keepBest(open);
    if (all.some(({ interrupted }) => interrupted)) return false;
    this.isStopped = all.some(({ stopped }) => stopped);
    return !this.isStopped;
  }

  private status({ evaluations }: Open): 'finished' | 'interrupted' {
    const isDone = this.step >= this.settings.steps || this.isStopped;
    return isDone && !evaluations?.isDue(this.step) ? 'finished' : 'interrupted';
  }

  private async toTheEnd(open: Open): Promise<void> {
    const { settings, context } = this;
    await this.callbacks.start(this.callbackStates);
    await this.evaluate(open);
    while (this.step < settings.steps && (await this.goesOn(open))) {
      if (!(await this.oneStep(open))) break;
      const due = settings.checkpointEvery > 0 && this.step % settings.checkpointEvery === 0;
      // Before the evaluations, which may fail or take a long time; a resumed run catches up on them.
      if (due || this.step === settings.steps) await this.checkpoint(open);
      await this.evaluate(open);
      // Node delivers signals between turns of the event loop, and a step that computes on this thread does not end the
      // turn.
      await nextTurn();
    }
    await this.checkpoint(open);
    if (this.isStopped) {
      const by = this.callbacks.stopReason === undefined ? 'by' : 'by callback';
      if (context.sink) open.progress.note(`Stopped after step ${this.step} ${by} ${this.stopReason(open)}.`);
      open.evaluations?.endAt(this.step);
      await this.evaluate(open);
    }
    await this.keepBest(open);
    await this.callbacks.end(this.status(open));
  }

  /** false if the user stopped the run while it waited for its data: all workers know it, and none does the step. */
  private async oneStep({ loader, stepper, metrics, progress }: Open): Promise<boolean> {
    const { parts, settings, context } = this;
    const began = performance.now();
    const resources = measureResources();
    const isFirst = this.step + 1 === this.firstStep;
    if (isFirst) progress.begin('reading the first batch');
    const loaded = await loader.nextUnless(context.signal);
    if (loaded) checkPosition(loaded.position, componentName(parts.dataset, 'The dataset'));
    const waitSeconds = (performance.now() - began) / 1000;
    const batch = loaded && (await sampledBatch(loaded, parts, context, this.now()));
    // Before the step runs: this worker notices here that another is gone, and a step that counts has its line of
    // metrics.
    const tokens = await tokensOfAll(batch, {
      step: this.step + 1,
      dataset: componentName(parts.dataset, 'the dataset'),
      group: context.placement.group,
    });
    if (!batch || tokens === undefined) return false;
    const compiledBefore = stepper.compileMs;
    // Tracing keeps this thread busy, so the bar has to show it beforehand.
    if (isFirst) this.memory.measure(batch, this.trained, this.step);
    if (isFirst) progress.begin(`${isCompiled(parts.engine) ? 'tracing ' : ''}step ${this.step + 1}`);
    let isRunning = true;
    const values = await this.compute(stepper, batch, () => {
      if (this.step + 1 >= settings.steps) return;
      loader.prefetch(({ fields }) => {
        if (isRunning && !parts.objective.sample) stepper.uploadAhead(fields);
      });
    }).finally(() => (isRunning = false));
    this.step++;
    this.position = batch.position;
    await this.check({ loss: values.loss, gradNorm: values.gradNorm }, batch, progress);
    if (this.step === this.firstStep) await context.sink?.becomeLatest();
    const compileSeconds = (stepper.compileMs - compiledBefore) / 1000;
    if (compileSeconds >= NOTED_COMPILE_SECONDS)
      progress.note(`Step ${this.step} was traced and compiled, in ${compileSeconds.toFixed(1)} s.`);
    const seconds = (performance.now() - began) / 1000;
    const times = { seconds, waitSeconds, compileSeconds };
    this.lastMetrics = stepMetrics({ step: this.step, values, tokens, ...times, resources: resources() });
    metrics?.append(this.lastMetrics);
    progress.step(this.step, this.lastMetrics);
    parts.trackers.log(this.step, this.lastMetrics);
    context.onStep?.(this.step, this.lastMetrics);
    await this.callbacks.step(this.lastMetrics, this.trained.parameters, this.step === settings.steps);
    return true;
  }

  /** The model as the next step finds it. */
  private now(): { model: Model; parameters: Parameters; step: number } {
    return { model: this.changing.after(this.step), parameters: this.trained.parameters, step: this.step };
  }

  private async compute(
    stepper: Stepper,
    batch: LoadedBatch,
    whileRunning: () => void,
  ): Promise<Record<string, number>> {
    try {
      const { after, values } = await stepper.run(this.trained, this.step, batch.fields, whileRunning);
      this.trained = after;
      return values;
    } catch (error) {
      // A step that fails while it computes may already have disposed its inputs.
      if (Object.values(this.trained.parameters).some((tensor) => tensor.isDisposed)) this.worthSaving = false;
      throw explainOutOfMemory(error, this.step + 1, batch.fields, memoryAdvice(this.settings));
    }
  }

  private async check(
    numbers: { loss: number; gradNorm: number },
    batch: LoadedBatch,
    progress: Progress,
  ): Promise<void> {
    try {
      const note = await this.lossMonitor.check(this.step, numbers, batch, this.lastCheckpoint);
      if (note) progress.note(note);
    } catch (error) {
      this.worthSaving = false;
      throw error;
    }
  }

  private async checkpoint({ metrics, choices }: Pick<Open, 'metrics' | 'choices'>): Promise<void> {
    if (this.savedStep === this.step) return;
    const { sink, extraFiles, carried, baseModel, placement } = this.context;
    const model = this.changing.after(this.step);
    const { parameters } = this.trained;
    const stored = await placement.stored(this.trained, sink !== undefined);
    if (!sink) {
      this.savedStep = this.step;
      return;
    }
    try {
      await metrics?.flush();
      await sink.check();
      this.lastCheckpoint = await sink.writeSnapshot(
        { newest: this.settings.keepCheckpoints, best: choices?.best?.step },
        {
          model,
          extraFiles,
          carried,
          baseModel,
          parameters,
          ...stored!,
          state: {
            step: this.step,
            seed: this.settings.seed,
            data: this.position,
            metricsLines: this.step,
            callbacks: this.callbacks.states(),
            ...(this.frozenDigest !== undefined && { frozenDigest: this.frozenDigest }),
          },
          trained: Object.keys(ParameterGroups.of(model, this.settings).everTrained(parameters)),
          before: this.lastCheckpoint,
        },
      );
    } catch (error) {
      this.worthSaving = false;
      // The better reason, if the folder was taken away during a write.
      await sink.check();
      throw error;
    }
    this.savedStep = this.step;
    await sink.update({ steps: this.step });
    await this.callbacks.saved(this.lastCheckpoint);
  }

  /** Marks the best checkpoint, once it has been written. */
  private async keepBest({ choices, progress }: Open): Promise<void> {
    const { sink } = this.context;
    const { keepBest, keepCheckpoints } = this.settings;
    const best = choices?.toKeep;
    if (!sink || !keepBest || !best || best.step > this.savedStep) return;
    await sink.keepBest(keepCheckpoints, { ...best, metric: keepBest.metric });
    choices.kept(best);
    // A resumed run marks again what it had marked.
    if (best.step >= this.firstStep)
      progress.note(`The best checkpoint by ${keepBest.metric} is now that of step ${best.step}.`);
  }

  /** A run that fails for a reason other than its parameters keeps the steps that it did. */
  private async rescue(open: Open): Promise<void> {
    const { progress } = open;
    progress.stop();
    const { sink, placement } = this.context;
    if (!this.worthSaving || this.savedStep === this.step || !sink || !placement.savesAlone) return;
    try {
      await this.checkpoint(open);
      progress.note(`Saved at step ${this.step}.`);
    } catch {
      // The error that led here is the one to report.
    }
  }

  private async evaluate(open: Open): Promise<void> {
    const { parameters, average } = this.trained;
    if (this.settings.averageDecay === undefined) return this.evaluateOn(parameters, open);
    await this.context.placement.withAverage(average, {
      isDue: () => open.evaluations?.isDue(this.step) ?? false,
      // What never trains is its own average.
      evaluate: (whole) => this.evaluateOn({ ...parameters, ...whole }, open),
    });
  }

  private async evaluateOn(stored: Parameters, open: Open): Promise<void> {
    // Any evaluator computes with float32 numbers; those of bfloat16 exist only meanwhile.
    if (!open.evaluations?.isDue(this.step)) return;
    const { model } = this.parts;
    await withWidened(stored, (wide) => withMerged(model, wide, (merged) => this.evaluateWith(merged, open)));
  }

  private async evaluateWith(parameters: Parameters, { evaluations, choices, progress }: Open): Promise<void> {
    const { trackers } = this.parts;
    const { signal, placement } = this.context;
    const signals = [signal, placement.group?.lost].filter((one) => one !== undefined);
    await evaluations?.run(
      this.step,
      parameters,
      async (record) => {
        const { step, evaluator, metrics } = record;
        trackers.logEvaluation(record);
        choices?.take(record);
        const numbers = Object.entries(metrics).map(([key, value]) => `${key} ${Number(value.toPrecision(6))}`);
        progress.note(`${evaluator} at step ${step}: ${numbers.join(', ')}`);
        await this.callbacks.evaluated(record);
      },
      AbortSignal.any(signals),
    );
  }
}
