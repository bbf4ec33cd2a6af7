import { PluginError } from '@graft/engine';
import type { Evaluator, Model, Parameters } from '../interfaces';
import type { RandomStream } from '../random/streams';
import { failedAt } from '../util/training-error';
import { unlessStuck } from '../util/pending';
import { isRecord, kindOf } from '../util/returned';

export interface NamedEvaluator {
  readonly name: string;
  /** Steps between evaluations; 0: only at the end. */
  readonly every: number;
  readonly evaluator: Evaluator;
}

/** One evaluation in evaluations.json. */
export interface EvaluationRecord {
  /** Steps done before it. */
  readonly step: number;
  readonly evaluator: string;
  readonly metrics: Readonly<Record<string, number>>;
  /** How long it took. */
  readonly seconds: number;
}

/** Where the records of evaluations are kept. */
export interface EvaluationSink {
  /** All that are there. */
  evaluations(): Promise<EvaluationRecord[]>;
  /** In the place of all that are there. */
  writeEvaluations(records: readonly EvaluationRecord[]): Promise<void>;
}

/** Runs what is due and keeps the records. */
export class Evaluations {
  private constructor(
    private readonly evaluators: readonly NamedEvaluator[],
    private readonly totalSteps: number,
    private readonly model: Model,
    private readonly random: RandomStream,
    private readonly sink: EvaluationSink,
    readonly records: EvaluationRecord[],
  ) {}

  /** Records of steps after `step`, which a killed run left, do not count. */
  static async open(
    evaluators: readonly NamedEvaluator[],
    context: { step: number; totalSteps: number; model: Model; random: RandomStream; sink: EvaluationSink },
  ): Promise<Evaluations> {
    const records = (await context.sink.evaluations()).filter((record) => record.step <= context.step);
    return new Evaluations(evaluators, context.totalSteps, context.model, context.random, context.sink, records);
  }

  /**
   * Evaluates what is due after `step` steps and has no record yet: a run killed between its checkpoint and its
   * evaluations owes them when it is resumed. Aborting leaves the rest owing, the evaluator at work included.
   */
  async run(
    step: number,
    parameters: Parameters,
    onRecord: (record: EvaluationRecord) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    for (const { name, every, evaluator } of this.evaluators) {
      if (!this.isEvaluatorDue(name, every, step)) continue;
      if (signal?.aborted) return;
      const began = performance.now();
      let metrics: Record<string, number>;
      try {
        // The same stream at every step, so that what changes is the model; `step` is there to fork by.
        const random = this.random.fork(name);
        const evaluated = evaluator.evaluate({ model: this.model, parameters, step, random, signal });
        metrics = await unlessStuck(Promise.resolve(evaluated), signal);
      } catch (error) {
        if (signal?.aborted) return;
        throw failedAt(`Evaluator "${name}" at step ${step}`, error);
      }
      checkMetrics(metrics, `Evaluator "${name}" at step ${step}`);
      const record = { step, evaluator: name, metrics, seconds: (performance.now() - began) / 1000 };
      this.records.push(record);
      await this.sink.writeEvaluations(this.records);
      onRecord(record);
    }
  }

  isDue(step: number): boolean {
    return this.evaluators.some(({ name, every }) => this.isEvaluatorDue(name, every, step));
  }

  private isEvaluatorDue(name: string, every: number, step: number): boolean {
    const due = step === this.totalSteps || (every > 0 && step > 0 && step % every === 0);
    return due && !this.records.some((record) => record.step === step && record.evaluator === name);
  }
}

/** Before it is recorded: what has a record is not evaluated again. Throws PluginError. */
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
