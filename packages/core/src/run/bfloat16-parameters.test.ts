import { CheckpointReader, listSnapshots } from '@graft/checkpoint';
import { openEngine, tf, type Engine } from '@graft/engine';
import { cpuPluginFile } from '@graft/engine/internal';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { LOCK_PREFIX } from '@graft/checkpoint/internal';
import { failureOf } from '@graft/test-support';
import { events } from '../../test/toy-plugin';
import { finalWeights, losses, newRuns, run, stopAt } from '../../test/toy-runs';

const MODEL = { model: { use: 'linear', width: 3, outputs: 2 } };
const TRAIN = { steps: 10, checkpointEvery: 2 };
const MASTER = { ...TRAIN, parameterDtype: 'bfloat16' };
const NONE = { ...MASTER, masterWeights: 'none' };

const pjrt = cpuPluginFile();
const modes = ['portable', 'xla', 'mixed', 'graph', ...(pjrt === undefined ? [] : (['pjrt'] as const))] as const;

const newest = async (folder: string): Promise<string> =>
  (await listSnapshots(join(folder, 'checkpoints'))).pop()!.folder;

/** Name, dtype and shape of each tensor of a file or folder. */
async function tensorsOf(path: string): Promise<Record<string, string>> {
  const reader = await CheckpointReader.open(path);
  const found = [...reader.tensors.values()].map(({ name, dtype, shape }) => [name, `${dtype} [${shape.join(', ')}]`]);
  await reader.close();
  return Object.fromEntries(found) as Record<string, string>;
}

describe.each(modes)('bfloat16 parameters on the engine %s', (mode) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode, plugin: mode === 'pjrt' ? pjrt : undefined });
  });
  const train = (runs: string, settings: object, options: object = {}): ReturnType<typeof run> =>
    run(runs, { ...MODEL, engine: mode, train: settings }, { engine, ...options });
  /** Losses in float32. */
  let plain: number[];
  beforeAll(async () => {
    plain = await losses((await train(newRuns(), TRAIN)).folder);
  });

  it('a run with masters loses no more than one in float32, and stops and resumes to the same numbers', async () => {
    const whole = await train(newRuns(), MASTER);
    const runs = newRuns();
    await train(runs, MASTER, stopAt(4));
    const resumed = await train(runs, MASTER, { resume: true });
    const narrow = await losses(whole.folder);
    // A rounded weight differs by up to 0.4 %.
    narrow.forEach((loss, i) => expect(Math.abs(loss - plain[i]) / plain[i]).toBeLessThan(0.02));
    expect(narrow).not.toEqual(plain);
    expect(await losses(resumed.folder)).toEqual(narrow);
    expect(await finalWeights(resumed.folder)).toEqual(await finalWeights(whole.folder));
  });

  it('a run without masters rounds stochastically, and stops and resumes to the same numbers', async () => {
    const whole = await train(newRuns(), NONE);
    const runs = newRuns();
    await train(runs, NONE, stopAt(4));
    const resumed = await train(runs, NONE, { resume: true });
    const narrow = await losses(whole.folder);
    narrow.forEach((loss, i) => expect(Math.abs(loss - plain[i]) / plain[i]).toBeLessThan(0.05));
    expect(await losses(resumed.folder)).toEqual(narrow);
    expect(await finalWeights(resumed.folder)).toEqual(await finalWeights(whole.folder));
    const other = await run(newRuns(), { ...MODEL, engine: mode, train: NONE, seed: 1 }, { engine });
    expect(await losses(other.folder)).not.toEqual(narrow);
  });
});

describe('a checkpoint of bfloat16 parameters', () => {
  it('holds bfloat16 matrices and float32 vectors, and the masters in the state of the optimizer', async () => {
    const { folder } = await run(newRuns(), { ...MODEL, train: MASTER });
    const path = await newest(folder);
    expect(await tensorsOf(path)).toEqual({ w: 'BF16 [3, 2]', b: 'F32 [2]', unused: 'F32 [2]' });
    expect(await tensorsOf(join(path, 'optimizer.safetensors'))).toEqual({
      'momentum.updates': 'I32 []',
      'momentum/w': 'F32 [3, 2]',
      'momentum/b': 'F32 [2]',
      'momentum/unused': 'F32 [2]',
      'master/w': 'F32 [3, 2]',
    });
    const { w, 'master/w': master } = await finalWeights(folder);
    w.forEach((value, i) => expect(Math.abs(value - master[i])).toBeLessThanOrEqual(Math.abs(master[i]) * 2 ** -8));
    expect(w).not.toEqual(master);
  });

  it('has no masters of parameters that never train, and none with masterWeights: none', async () => {
    const frozen = await run(newRuns(), { ...MODEL, train: { ...MASTER, groups: [{ names: ['w'], untilStep: 0 }] } });
    expect(await tensorsOf(join(await newest(frozen.folder), 'optimizer.safetensors'))).not.toHaveProperty('master/w');
    const none = await run(newRuns(), { ...MODEL, train: NONE });
    expect(await tensorsOf(join(await newest(none.folder), 'optimizer.safetensors'))).not.toHaveProperty('master/w');
  });
});

describe('the rest of training with bfloat16 parameters', () => {
  it.each([
    ['masters', MASTER],
    ['no masters', NONE],
  ])('a killed run with %s, micro-batches, a moving average and an evaluator resumes exactly', async (_, settings) => {
    const sections = {
      ...MODEL,
      train: { ...settings, microBatches: 2, averageDecay: 0.9 },
      evaluators: [{ use: 'norm', every: 2 }],
    };
    const [runs, copies] = [newRuns(), newRuns()];
    const filter = (file: string): boolean => !file.includes(LOCK_PREFIX);
    const before = tf.memory().numTensors;
    const whole = await run(runs, sections, {
      onStep: (done) => void (done === 5 && cpSync(runs, copies, { recursive: true, filter })),
    });
    const resumed = await run(copies, sections, { resume: true });
    expect(tf.memory().numTensors).toBe(before);
    expect(await losses(resumed.folder)).toEqual(await losses(whole.folder));
    expect(await finalWeights(resumed.folder)).toEqual(await finalWeights(whole.folder));
    expect(resumed.evaluations.map(({ metrics }) => metrics)).toEqual(whole.evaluations.map(({ metrics }) => metrics));
    expect(await tensorsOf(join(await newest(whole.folder), 'average'))).toMatchObject({ w: 'F32 [3, 2]' });
  });

  it('evaluators and callbacks see float32 numbers, and an evaluation of the checkpoint agrees with that of the run', async () => {
    const seen: string[] = [];
    const { folder, evaluations } = await run(newRuns(), {
      ...MODEL,
      train: MASTER,
      evaluators: ['norm'],
      callbacks: ['watch'],
    });
    seen.push(...events.filter((event) => event.startsWith('onStep 10')));
    expect(seen).toEqual(['onStep 10 w b unused']);
    const { w } = await finalWeights(folder);
    expect(evaluations[0].metrics.norm).toBeCloseTo(Math.hypot(...w), 5);
  });

  it('a step that is skipped leaves parameters and masters as they were', async () => {
    const spoiled = { ...MODEL, dataset: { use: 'points', nanAt: 9 }, train: { ...MASTER, nonFinite: 'skip' } };
    const { folder } = await run(newRuns(), spoiled);
    const weights = Object.values(await finalWeights(folder)).flat();
    expect(weights.every(Number.isFinite)).toBe(true);
  });

  it('masterWeights without bfloat16 parameters is refused', async () => {
    const error = await failureOf(run(newRuns(), { ...MODEL, train: { ...TRAIN, masterWeights: 'none' } }));
    expect(error.message).toMatch(/train\.masterWeights: expected parameterDtype: bfloat16 beside it/);
  });
});
