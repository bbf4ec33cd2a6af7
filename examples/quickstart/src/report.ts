import type { EvaluationRecord } from '@graft/core';

export interface LossColumn {
  readonly title: string;
  readonly evaluations: readonly EvaluationRecord[];
}

/** Held-out loss of several runs side by side, one row per step at which all of them were evaluated. */
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

export interface AccuracyColumn {
  readonly title: string;
  /** As the evaluator "superglue" returns them. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Accuracies of several models side by side, one row per task, with the accuracy of always predicting one class. */
export function accuracyTable(columns: readonly AccuracyColumn[]): string {
  const [first] = columns;
  const tasks = Object.keys(first.metrics)
    .filter((name) => name.endsWith('/accuracy'))
    .map((name) => name.slice(0, -'/accuracy'.length));
  const titles = [...columns.map(({ title }) => title), 'one class'];
  const line = (label: string, cells: readonly string[]): string =>
    `${label.padEnd(12)}${cells.map((cell, i) => cell.padStart(Math.max(titles[i].length, 6) + 2)).join('')}`;
  const row = (label: string, values: readonly number[]): string =>
    line(
      label,
      values.map((value) => value.toFixed(3)),
    );
  // As in the paper: ReCoRD is listed next to the mean.
  const counting = tasks.filter((task) => task !== 'record');
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const rows = tasks.map((task) => [
    ...columns.map(({ metrics }) => metrics[`${task}/accuracy`]),
    first.metrics[`${task}/majority`],
  ]);
  return [
    "Accuracy of a classifier on the last token, fine-tuned on synthetic tasks in SuperGLUE's format",
    line('task', titles),
    ...tasks.map((task, i) => row(task, rows[i])),
    row(
      `mean of ${counting.length}`,
      titles.map((_, i) => mean(counting.map((task) => rows[tasks.indexOf(task)][i]))),
    ),
  ].join('\n');
}
