/** Runs of the toy experiment in folders of their own, and what they leave. */
import { CheckpointReader, listSnapshots } from '@graft/checkpoint';
import { openEngine, type Engine } from '@graft/engine';
import { temporaryFolder } from '@graft/test-support';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../src/config';
import { runExperiment, type RunOptions, type RunResult } from '../src/run/experiment';
import { events, toyConfig, toyPlugin } from './toy-plugin';

export let engine: Engine;
let scratch: string;
let counter = 0;

beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
  scratch = temporaryFolder();
});
beforeEach(() => void (events.length = 0));

/** A folder for runs that does not exist yet. */
export const newRuns = (): string => join(scratch, String(counter++));

/** One run of the toy experiment, with these sections in its config. */
export async function run(
  runs: string,
  sections: Record<string, unknown> = {},
  options: RunOptions = {},
): Promise<RunResult> {
  const loaded = await loadConfig({ value: toyConfig(runs, sections), plugins: [toyPlugin] });
  return runExperiment(loaded, { engine, ...options });
}

type Line = Record<string, number>;
export const lines = async (folder: string): Promise<Line[]> =>
  (await readFile(join(folder, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
export const losses = async (folder: string): Promise<number[]> => (await lines(folder)).map(({ loss }) => loss);
export const record = async (folder: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as Record<string, unknown>;
export const runsIn = async (runs: string): Promise<string[]> =>
  (await readdir(join(runs, 'toy')).catch(() => [])).filter((name) => name !== 'latest');

/** Aborts after a step. */
export function stopAt(step: number): Pick<RunOptions, 'signal' | 'onStep'> {
  const controller = new AbortController();
  return { signal: controller.signal, onStep: (done) => void (done === step && controller.abort()) };
}

/** Parameters and optimizer state of the newest checkpoint. */
export async function finalWeights(folder: string): Promise<Record<string, number[]>> {
  const newest = (await listSnapshots(join(folder, 'checkpoints'))).pop()!;
  const weights: Record<string, number[]> = {};
  for (const path of [newest.folder, join(newest.folder, 'optimizer.safetensors')]) {
    const reader = await CheckpointReader.open(path);
    for (const [name, { dtype }] of reader.tensors)
      weights[name] = [...(dtype === 'I32' ? await reader.readInt32(name) : await reader.readFloat32(name))];
    await reader.close();
  }
  return weights;
}
