import { openEngine, tf, type Engine } from '@graft/engine';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { events, toyConfig, toyPlugin } from '../../test/toy-plugin';
import { z } from 'zod';
import { defineComponent, definePlugin } from '../components/plugin';
import { loadConfig, loadEvaluationConfig, pathOption } from '../config';
import { runEvaluation, type EvaluationRunOptions, type EvaluationRunResult } from './run-evaluation';
import { runExperiment } from './experiment';

let engine: Engine;
let scratch: string;
let counter = 0;

beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
  scratch = await mkdtemp(join(tmpdir(), 'graft-evaluation-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));
beforeEach(() => void (events.length = 0));

/** An initializer that names a folder, as `load` does. */
const keptPlugin = definePlugin({
  name: 'kept',
  components: [
    defineComponent({
      interface: 'initializer',
      id: 'kept',
      description: 'takes no notice of the folder',
      options: z.strictObject({ path: pathOption() }),
      useFactory: ({ components }) => components.create('initializer', { use: 'random' }),
    }),
  ],
});

const newRuns = (): string => join(scratch, String(counter++));

/** The toy config without what only training needs. */
function evaluationOnly(runs: string, sections: object = {}): object {
  const {
    objective: _o,
    dataset: _d,
    optimizer: _p,
    train: _t,
    ...config
  } = toyConfig(runs, {}) as Record<string, unknown>;
  return { ...config, evaluators: ['norm'], ...sections };
}

async function evaluate(value: object, options: EvaluationRunOptions = {}): Promise<EvaluationRunResult> {
  return runEvaluation(await loadEvaluationConfig({ value, plugins: [toyPlugin] }), { engine, ...options });
}

test('an evaluation needs no training sections, leaves its run folder, and frees its tensors', async () => {
  const runs = newRuns();
  const before = tf.memory().numTensors;
  const result = await evaluate(evaluationOnly(runs, { trackers: ['list'] }));
  expect(tf.memory().numTensors).toBe(before);
  expect(result).toMatchObject({ status: 'finished', folder: join(runs, 'toy', result.id) });
  expect(result.evaluations).toMatchObject([
    { step: 0, evaluator: 'norm', metrics: { norm: expect.any(Number) as number } },
  ]);
  const stored = JSON.parse(await readFile(join(result.folder, 'evaluations.json'), 'utf8')) as unknown;
  expect(stored).toEqual(result.evaluations);
  const record = JSON.parse(await readFile(join(result.folder, 'run.json'), 'utf8')) as unknown;
  expect(record).toMatchObject({ kind: 'evaluation', status: 'finished', steps: 0 });
  expect(existsSync(join(result.folder, 'metrics.jsonl'))).toBe(false);
  expect(await readdir(join(runs, 'toy'))).toContain('latest');
});

test('training and evaluation of one config have separate runs, and neither resumes the other', async () => {
  const runs = newRuns();
  const value = toyConfig(runs, { train: { steps: 2 }, evaluators: ['norm'] });
  const trained = await runExperiment(await loadConfig({ value, plugins: [toyPlugin] }), { engine });
  const evaluated = await evaluate(value);
  expect(evaluated.folder).toBe(join(runs, 'toy-evaluation', evaluated.id));
  await expect(evaluate(value, { resume: trained.id })).rejects.toThrow(/There is no run/);
});

test("the evaluation of a run's checkpoint shows its step", async () => {
  const runs = newRuns();
  const value = toyConfig(runs, { train: { steps: 3, checkpointEvery: 2, averageDecay: 0.9 } });
  const trained = await runExperiment(await loadConfig({ value, plugins: [toyPlugin] }), { engine });
  const checkpoints = join(runs, 'toy', 'latest', 'checkpoints');
  for (const [path, step] of [
    ['step-2', 2],
    ['step-3/average', 3],
  ] as const) {
    const initializer = { use: 'kept', path: join(checkpoints, path) };
    events.length = 0;
    const result = await evaluate(evaluationOnly(runs, { initializer, plugins: [keptPlugin] }));
    expect(result).toMatchObject({ status: 'finished', evaluations: [{ step, evaluator: 'norm' }] });
    expect(events).toEqual([`norm ${step}`]);
    const record = JSON.parse(await readFile(join(result.folder, 'run.json'), 'utf8')) as unknown;
    expect(record).toMatchObject({ checkpointStep: step, steps: 0 });
    // It does not take it from the training, which it resembles by name.
    expect(await readlink(join(runs, 'toy', 'latest'))).toBe(trained.id);
  }
});

test('a config without evaluators is rejected', async () => {
  await expect(evaluate(evaluationOnly(newRuns(), { evaluators: [] }))).rejects.toThrow(
    'config: evaluators: expected at least one evaluator, got []',
  );
});

test("training sections in an evaluation's config are still checked", async () => {
  await expect(evaluate(evaluationOnly(newRuns(), { optimizer: { use: 'momentun' } }))).rejects.toThrow(/momentum/);
});

test('a failed evaluation resumes at the failed evaluator, and only with the same config', async () => {
  const runs = newRuns();
  const evaluators = [
    { use: 'norm', name: 'first' },
    { use: 'norm', failAt: 0 },
  ];
  await expect(evaluate(evaluationOnly(runs, { evaluators }))).rejects.toThrow(
    'Evaluator "norm" at step 0 failed: no norm today.',
  );
  const changed = evaluationOnly(runs, { evaluators: [evaluators[0], { use: 'norm' }] });
  await expect(evaluate(changed, { resume: true })).rejects.toThrow(
    /cannot continue with a changed config: evaluators/,
  );
  // As if the evaluator had been mended.
  const [id] = (await readdir(join(runs, 'toy'))).filter((name) => name !== 'latest');
  const file = join(runs, 'toy', id, 'config.json');
  await writeFile(file, (await readFile(file, 'utf8')).replace(/,\s*"failAt": 0/, ''));
  events.length = 0;
  const result = await evaluate(changed, { resume: true });
  expect(result).toMatchObject({ id, status: 'finished' });
  expect(events).toEqual(['norm 0']);
  expect(result.evaluations.map(({ evaluator }) => evaluator)).toEqual(['first', 'norm']);
  await expect(evaluate(changed, { resume: id })).rejects.toThrow(/is finished/);
});

test('an evaluation that is stopped early can be resumed to the end', async () => {
  const runs = newRuns();
  const stop = new AbortController();
  stop.abort();
  const result = await evaluate(evaluationOnly(runs), { signal: stop.signal });
  expect(result).toMatchObject({ status: 'interrupted', evaluations: [] });
  expect((await evaluate(evaluationOnly(runs), { resume: true })).status).toBe('finished');
});
