import type { EvaluationProgress } from '../interfaces';
import { formatDuration } from './duration';

/** Turns the reports of an evaluator into text: `superglue: BoolQ, 3 of 9: 120/400 steps, 1m20s left`. */
export class EvaluationText {
  private began: number;
  private report: EvaluationProgress | undefined;
  /** The first report of a part, from which the speed is computed. */
  private first: { readonly part?: string; readonly done: number; readonly at: number } | undefined;

  constructor(
    readonly evaluator: string,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.began = now();
  }

  update(report: EvaluationProgress): void {
    const { part, done } = report;
    if (!this.first || this.first.part !== part || done < this.first.done) this.first = { part, done, at: this.now() };
    this.report = report;
  }

  /** Since the evaluation began. */
  get seconds(): number {
    return (this.now() - this.began) / 1000;
  }

  toString(): string {
    const { report, evaluator } = this;
    const took = formatDuration(this.seconds);
    if (!report) return `${evaluator}: ${took}`;
    const { done, total, unit, part } = report;
    const count = total === undefined ? `${done} ${unit}` : `${done}/${total} ${unit}`;
    const left = this.timeLeft(report);
    const time = left === undefined ? took : `${formatDuration(left)} left`;
    return `${evaluator}: ${part === undefined ? '' : `${part}: `}${count}, ${time}`;
  }

  private timeLeft({ done, total }: EvaluationProgress): number | undefined {
    const { first } = this;
    if (!first || total === undefined || done <= first.done) return undefined;
    return ((this.now() - first.at) / 1000 / (done - first.done)) * Math.max(0, total - done);
  }
}
