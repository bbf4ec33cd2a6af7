/** The numbers of a sweep's finished trials, and the files that hold them. */
import type { Better, FoundRun, MeanInterval, PointSummary, Sweep, Trial } from '@graft/core';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandContext } from '../commands/shared/context';
import { csv } from '../output/csv';

/** A finished trial with its numbers. */
export interface TrialResult {
  readonly trial: Trial;
  readonly folder: string;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The results of a sweep so far. */
export interface SweepResults {
  readonly trials: readonly TrialResult[];
  readonly rows: readonly PointSummary[];
}

/** Reads the numbers of finished trials: the last evaluation of each evaluator, and what the training took. */
export class ResultReader {
  private readonly known = new Map<string, Readonly<Record<string, number>>>();

  constructor(private readonly sweep: Sweep) {}

  /** `found`: the runs by the ids of their trials. */
  async read(found: ReadonlyMap<string, FoundRun>): Promise<SweepResults> {
    const { summarize } = await import('@graft/core');
    const { trials, points } = this.sweep;
    const results: TrialResult[] = [];
    for (const trial of trials) {
      const run = found.get(trial.id);
      if (run?.isFinished) results.push({ trial, folder: run.folder, metrics: await this.numbersOf(run.folder) });
    }
    const directions = await betterIn(this.sweep);
    return {
      trials: results,
      rows: summarize({
        points,
        trialsPerPoint: trials.length / points.length,
        numbers: results.map(({ trial: { point }, metrics }) => ({ point, metrics })),
        better: directions,
      }),
    };
  }

  private async numbersOf(folder: string): Promise<Readonly<Record<string, number>>> {
    const known = this.known.get(folder);
    if (known) return known;
    const { readRun, runNumbers } = await import('@graft/report');
    const numbers = runNumbers(await readRun(folder));
    this.known.set(folder, numbers);
    return numbers;
  }
}

/** Directions of metrics: those that the sweep states, otherwise those that are known. */
export async function betterIn({
  metrics = [],
}: Pick<Sweep, 'metrics'>): Promise<(metric: string) => Better | undefined> {
  const { betterOf } = await import('@graft/report');
  const stated = new Map(metrics.map(({ metric, better }) => [metric, better]));
  return (metric) => stated.get(metric) ?? betterOf(metric);
}

/** Writes trials.csv, table.csv and table.json into the folder of the sweep's runs. */
export async function writeResults(sweep: Sweep, { trials, rows }: SweepResults): Promise<void> {
  const { writeFileAtomically } = await import('@graft/checkpoint/internal');
  const write = (name: string, text: string): Promise<unknown> =>
    writeFileAtomically(join(sweep.runs, name), (temporary) => writeFile(temporary, text));
  const keys = sweep.points[0].varied.map(([key]) => key);
  const hasArms = sweep.points[0].arm !== undefined;
  const settings = ({ point }: { readonly point: Sweep['points'][number] }): unknown[] => [
    ...(hasArms ? [point.arm] : []),
    ...point.varied.map(([, value]) => value),
  ];
  const names = [...new Set(trials.flatMap(({ metrics }) => Object.keys(metrics)))];
  const head = [...(hasArms ? ['arm'] : []), ...keys];
  await write(
    'trials.csv',
    csv([
      ['trial', 'run', ...head, 'seed', ...names],
      ...trials.map(({ trial, folder, metrics }) => [
        trial.id,
        folder,
        ...settings({ point: sweep.points[trial.point] }),
        trial.loaded.config.seed,
        ...names.map((name) => metrics[name]),
      ]),
    ]),
  );
  await write(
    'table.csv',
    csv([
      [...head, 'finished', 'trials', ...names.flatMap((name) => [name, `${name}.low`, `${name}.high`])],
      ...rows.map((row) => [
        ...settings(row),
        row.finished,
        row.trials,
        ...names.flatMap((name) => {
          const { mean, low, high } = (row.metrics[name] ?? {}) as Partial<MeanInterval>;
          return [mean, low, high];
        }),
      ]),
    ]),
  );
  await write('table.json', `${JSON.stringify(resultsJson(sweep, { trials, rows }), undefined, 2)}\n`);
}

/** What table.json contains, and `--json` prints. */
export function resultsJson(sweep: Sweep, { trials, rows }: SweepResults): object {
  return {
    name: sweep.name,
    file: sweep.file,
    table: rows.map(({ point: { arm, varied }, ...row }) => ({
      arm,
      settings: Object.fromEntries(varied),
      ...row,
    })),
    trials: trials.map(({ trial, folder, metrics }) => ({
      id: trial.id,
      run: folder,
      arm: sweep.points[trial.point].arm,
      settings: Object.fromEntries(sweep.points[trial.point].varied),
      seed: trial.loaded.config.seed,
      metrics,
    })),
  };
}

/** The runs in a sweep's folder by the hashes of their configs, which are the ids of trials. */
export async function foundRuns(
  sweep: Sweep,
  context?: Pick<CommandContext, 'note'>,
): Promise<ReadonlyMap<string, FoundRun>> {
  const { runsByConfig } = await import('@graft/core');
  const options = { warn: (sentence: string) => context?.note(sentence) };
  const found = await runsByConfig(sweep.runs, options);
  if (sweep.kind === 'training') return found;
  const { evaluationBeside } = await import('@graft/core/internal');
  const beside = await runsByConfig(evaluationBeside(sweep.runs), options);
  return new Map([...found, ...beside].filter(([, { record }]) => record.kind === 'evaluation'));
}
