import { readJsonFile, writeFileAtomically } from '@graft/checkpoint/internal';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '../util/objects';
import { measureLatency } from './latency';
import { refuseUnmatched } from './match';
import { isTraining, type TrainingTrial } from './trial';
import type { Sweep } from './trials';

/** Options of `checkLatencies`. */
export interface LatencyOptions {
  /** Default: `measureLatency`. */
  readonly measure?: (trial: TrainingTrial) => Promise<number>;
  /** Receives each latency, in seconds, once it is measured. */
  readonly onMeasured?: (trial: TrainingTrial, seconds: number) => void;
}

/** In the folder of the sweep's runs. */
const FILE = 'latencies.json';

/**
 * Measures the latency of each point of a sweep with `match.by: latency`, and throws ConfigError if they do not match.
 * Measurements are kept beside the runs: a sweep that goes on must not be refused for noise.
 */
export async function checkLatencies(sweep: Sweep, { measure, onMeasured }: LatencyOptions = {}): Promise<void> {
  const { match, points, runs } = sweep;
  const trials = sweep.trials.filter(isTraining);
  if (match?.by !== 'latency') return;
  const file = join(runs, FILE);
  const kept = await readKept(file);
  const { sourceTokens, newTokens } = match;
  const of = measure ?? ((trial) => measureLatency(trial.loaded, { sourceTokens, newTokens }));
  const keyOf = ({ id }: TrainingTrial): string =>
    [id, sourceTokens, newTokens].filter((part) => part !== undefined).join(' ');
  const firstOf = (index: number): TrainingTrial => trials.find(({ point }) => point === index)!;
  // The first measurement of a process is slower than any later one.
  if (points.some((_, index) => kept[keyOf(firstOf(index))] === undefined)) await of(trials[0]);
  const measured: number[] = [];
  for (const index of points.keys()) {
    const trial = firstOf(index);
    const key = keyOf(trial);
    kept[key] ??= await of(trial);
    measured.push(kept[key]);
    onMeasured?.(trial, kept[key]);
    await writeFileAtomically(file, (temporary) => writeFile(temporary, `${JSON.stringify(kept, undefined, 2)}\n`));
  }
  refuseUnmatched({ ...sweep, match }, measured);
}

/** Seconds by trial; anything else in the file is measured again. */
async function readKept(file: string): Promise<Record<string, number>> {
  const value = await readJsonFile(file).catch(() => undefined);
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === 'number' && entry[1] > 0),
  );
}
