import type { TRAINING_NUMBERS } from '@graft/core/internal';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunData } from './read-run';

/**
 * The numbers of a run by name: its last loss, its costs (`steps`, `parameters`, `tokens`, `seconds`, and the median of
 * `tokensPerSecond`), and the last value of every metric of an evaluation, `evaluator/metric`. What a run does not have,
 * or what is not a number, is missing.
 */
export function runNumbers({ record, training, evaluations, totals }: RunData): Readonly<Record<string, number>> {
  const costs: Record<(typeof TRAINING_NUMBERS)[number], number | null | undefined> = {
    loss: training.find(({ metric }) => metric === 'loss')?.values.at(-1),
    steps: record.steps,
    parameters: record.parameters,
    tokens: Math.round(totals.tokens),
    seconds: totals.seconds,
    tokensPerSecond: totals.tokensPerSecond,
  };
  const numbers: Record<string, number | null | undefined> = { ...costs };
  for (const { evaluator, metrics } of evaluations)
    for (const [metric, value] of Object.entries(metrics)) numbers[`${evaluator}/${metric}`] = value;
  return Object.fromEntries(
    Object.entries(numbers).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : [])),
  );
}

/** The folders of runs in a folder of all runs or in that of a name, or that of a run itself. Links are not followed. */
export async function findRuns(path: string): Promise<string[]> {
  return runsBelow(path, LEVELS);
}

/** From the folder of all runs to that of a run: the name, and the id. */
const LEVELS = 2;

async function runsBelow(folder: string, levels: number): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  if (entries.some((entry) => entry.isFile() && entry.name === 'run.json')) return [folder];
  if (levels === 0) return [];
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const found = await Promise.all(folders.sort().map((name) => runsBelow(join(folder, name), levels - 1)));
  return found.flat();
}
