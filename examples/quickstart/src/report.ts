import type { EvaluationRecord } from '@graft/core';

export interface LossColumn {
  readonly title: string;
  readonly evaluations: readonly EvaluationRecord[];
}

/** Held-out loss of several runs side by side, a row for each step at which all of them were evaluated. */
export function lossTable(columns: readonly LossColumn[]): string {
  const [first, ...others] = columns.map(
    ({ evaluations }) => new Map(evaluations.map(({ step, metrics }) => [step, metrics.loss])),
  );
  const steps = [...first.keys()].filter((step) => others.every((losses) => losses.has(step)));
  const widths = columns.map(({ title }) => Math.max(title.length, 'perplexity'.length));
  const line = (label: string, cells: readonly string[]): string =>
    `${label.padEnd(12)}${cells.map((cell, i) => cell.padStart(widths[i] + 2)).join('')}`;
  const row = (step: number, label: string, shown: (loss: number) => string): string =>
    line(
      label,
      [first, ...others].map((losses) => shown(losses.get(step)!)),
    );
  const last = steps[steps.length - 1];
  return [
    'Held-out loss, nats a byte of the text to be predicted',
    line(
      'steps',
      columns.map(({ title }) => title),
    ),
    ...steps.map((step) => row(step, String(step), (loss) => loss.toFixed(4))),
    row(last, 'perplexity', (loss) => Math.exp(loss).toFixed(2)),
  ].join('\n');
}
