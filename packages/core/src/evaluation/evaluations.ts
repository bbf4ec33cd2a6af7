import { PluginError } from '@graft/engine';
import type { EvaluationProgress, Evaluator, Model, Parameters } from '../interfaces';
import type { RandomStream } from '../random/streams';
import { lend } from '../components/lending';
import { failedAt } from '../util/training-error';
import { unlessStuck } from '../util/pending';
import { isRecord, kindOf } from '../util/returned';

/** An evaluator with the name and the interval of its config. */
export interface NamedEvaluator {
  readonly name: string;
  /** Steps between evaluations; 0: only at the end. */
  readonly every: number;
  readonly evaluator: Evaluator;
}

/** One evaluation in evaluations.json. */
export interface EvaluationRecord {
  /** Completed steps before it. */
  readonly step: number;
  readonly evaluator: string;
  readonly metrics: Readonly<Record<string, number>>;
  /** Duration in seconds. */
  readonly seconds: number;
}

/** The store of the records of evaluations. */
export interface EvaluationSink {
  /** All existing records. */
  evaluations(): Promise<EvaluationRecord[]>;
  /** Replaces all existing records. */
  writeEvaluations(records: readonly EvaluationRecord[]): Promise<void>;
}

export interface EvaluationsOptions {
  readonly evaluators: readonly NamedEvaluator[];
  /** Steps done. */
  readonly step: number;
  /** Steps of the whole run, behind which every evaluator is due. */
  readonly totalSteps: number;
  /** The model after that many steps. */
  readonly model: (step: number) => Model;
  readonly random: RandomStream;
  readonly sink: EvaluationSink;
  /** The evaluator that begins or reports; undefined when it has ended. Default: nobody looks. */
  readonly onProgress?: (evaluator: string | undefined, report?: EvaluationProgress) => void;
}

/** Runs what is due and keeps the records. */
export class Evaluations {
  private lastStep: number;

  private constructor(
    private readonly options: EvaluationsOptions,
    readonly records: EvaluationRecord[],
  ) {
    this.lastStep = options.totalSteps;
  }

  /** Records of steps after `step`, which a killed run left, do not count. */
  static async open(options: EvaluationsOptions): Promise<Evaluations> {
    const records = (await options.sink.evaluations()).filter((record) => record.step <= options.step);
    return new Evaluations(options, records);
  }

  /**
   * Runs evaluators that are due after `step` steps and have no record yet: a run killed between its checkpoint and its
   * evaluations runs them when it is resumed. After an abort the rest stays due, including the current evaluator.
   */
  async run(
    step: number,
    parameters: Parameters,
    onRecord: (record: EvaluationRecord) => Promise<void> | void,
    signal?: AbortSignal,
  ): Promise<void> {
    const { evaluators, sink, onProgress } = this.options;
    const model = this.options.model(step);
    for (const { name, every, evaluator } of evaluators) {
      if (!this.isEvaluatorDue(name, every, step)) continue;
      if (signal?.aborted) return;
      const began = performance.now();
      let metrics: Record<string, number>;
      onProgress?.(name);
      const progress = (report: EvaluationProgress): void => onProgress?.(name, report);
      const { lent, end } = lend(parameters, `Evaluator "${name}" at step ${step}`);
      try {
        // The same stream at every step, so that only the model changes; an evaluator may fork it by `step`.
        const random = this.options.random.fork(name);
        const evaluated = evaluator.evaluate({ model, parameters: lent, step, random, signal, progress });
        metrics = await unlessStuck(Promise.resolve(evaluated), signal);
      } catch (error) {
        if (signal?.aborted) return;
        throw failedAt(`Evaluator "${name}" at step ${step}`, error);
      } finally {
        end();
        onProgress?.(undefined);
      }
      checkMetrics(metrics, `Evaluator "${name}" at step ${step}`);
      const record = { step, evaluator: name, metrics, seconds: (performance.now() - began) / 1000 };
      this.records.push(record);
      await sink.writeEvaluations(this.records);
      await onRecord(record);
    }
  }

  /** The run ends after this step, sooner than was planned. */
  endAt(step: number): void {
    this.lastStep = step;
  }

  isDue(step: number): boolean {
    return this.options.evaluators.some(({ name, every }) => this.isEvaluatorDue(name, every, step));
  }

  private isEvaluatorDue(name: string, every: number, step: number): boolean {
    const due = step === this.lastStep || (every > 0 && step > 0 && step % every === 0);
    return due && !this.records.some((record) => record.step === step && record.evaluator === name);
  }
}

/** Checked before recording: an evaluation with a record is not repeated. Throws PluginError. */
function checkMetrics(metrics: unknown, where: string): void {
  const problem = !isRecord(metrics)
    ? kindOf(metrics)
    : Object.entries(metrics)
        .filter(([, value]) => typeof value !== 'number')
        .map(([key, value]) => `${kindOf(value)} for "${key}"`)
        .at(0);
  if (problem === undefined) return;
  throw new PluginError(`${where} returned ${problem}; expected an object of numbers by name.`, {
    code: 'training.evaluator',
  });
}
