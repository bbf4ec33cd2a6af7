import { listSnapshots, readHostTensors } from '@graft/checkpoint';
import { tf } from '@graft/engine';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { failureOf } from '@graft/test-support';
import { events, isOfUnused } from '../../test/toy-plugin';
import { engine, finalWeights, lines, losses, newRuns, record, run, runsIn } from '../../test/toy-runs';
import { createLogger, type Logger } from '../util/logger';

describe('a run', () => {
  it('a run leaves its folder, its metrics and a checkpoint, and frees its tensors', async () => {
    const runs = newRuns();
    const before = tf.memory().numTensors;
    const result = await run(runs, {
      train: { steps: 4 },
      schedule: { use: 'halving' },
      trackers: [{ use: 'list' }],
      callbacks: [{ use: 'watch' }],
    });
    expect(tf.memory().numTensors).toBe(before);
    expect(result).toMatchObject({ status: 'finished', steps: 4, evaluations: [] });
    expect(result.folder).toBe(join(runs, 'toy', result.id));
    expect(await readlink(join(runs, 'toy', 'latest'))).toBe(result.id);

    const metrics = await lines(result.folder);
    expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect(metrics.map(({ learningRate }) => learningRate)).toEqual([0.05, 0.025, 0.0125, 0.00625]);
    for (const line of metrics) {
      expect(Object.keys(line)).toEqual([
        'step',
        'loss',
        'gradNorm',
        'learningRate',
        'tokensPerSecond',
        'meanError',
        'rows',
        'seconds',
        'waitSeconds',
        'waitShare',
        'residentMemoryBytes',
        'cpuCores',
      ]);
      expect(line.tokensPerSecond).toBeCloseTo(12 / line.seconds, 6);
      expect(line.gradNorm).toBeGreaterThan(0);
    }
    expect(result.lastMetrics).toEqual(metrics[3]);

    const config = JSON.parse(await readFile(join(result.folder, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({
      name: 'toy',
      seed: 0,
      optimizer: { use: 'momentum', learningRate: 0.05 },
      train: { steps: 4, precision: 'float32' },
    });
    expect(Object.keys(config.versions as object)).toEqual(['graft', 'node', 'engine', 'target', 'device', 'platform']);
    expect(await record(result.folder)).toMatchObject({
      name: 'toy',
      id: result.id,
      status: 'finished',
      steps: 4,
      engine: engine.description,
    });
    expect((await listSnapshots(join(result.folder, 'checkpoints'))).map(({ step }) => step)).toEqual([4]);
    expect(Object.keys(await finalWeights(result.folder)).sort()).toEqual(
      ['b', 'momentum.updates', 'momentum/b', 'momentum/unused', 'momentum/w', 'unused', 'w'].sort(),
    );

    const step = (n: number): string[] => [`log ${n} ${Object.keys(metrics[0]).join(' ')}`, `onStep ${n} w b unused`];
    expect(events).toEqual([
      'start toy',
      'onStart',
      ...[1, 2, 3, 4].flatMap(step),
      'onEnd finished',
      'finish finished',
    ]);
  });

  it('the same seed gives the same losses, and another seed gives others', async () => {
    const runs = newRuns();
    const first = await losses((await run(runs, { seed: 3 })).folder);
    expect(await losses((await run(runs, { seed: 3 })).folder)).toEqual(first);
    expect(await losses((await run(runs, { seed: 4 })).folder)).not.toEqual(first);
  });

  it('the loss of the toy model decreases below 0.1', async () => {
    const { lastMetrics } = await run(newRuns(), { train: { steps: 80 } });
    expect(lastMetrics.loss).toBeLessThan(0.1);
  });

  it('a run trains on ready batches unchanged, epoch after epoch', async () => {
    const result = await run(newRuns(), {
      dataset: { use: 'points', kind: 'batch', count: 3 },
      optimizer: { use: 'momentum', learningRate: 0 },
    });
    const seen = (await lines(result.folder)).map(({ gradNorm }) => gradNorm);
    expect(seen.slice(3, 6)).not.toEqual(seen.slice(0, 3));
    expect(new Set(seen).size).toBe(10);
  });

  it('a run keeps its newest checkpoints, named by step', async () => {
    const result = await run(newRuns(), { train: { steps: 9, checkpointEvery: 2, keepCheckpoints: 3 } });
    expect((await readdir(join(result.folder, 'checkpoints'))).sort()).toEqual(['step-6', 'step-8', 'step-9']);
  });

  it('an evaluator runs at its interval and at the end', async () => {
    const evaluators = [
      { use: 'norm', every: 2 },
      { use: 'norm', name: 'last' },
    ];
    const result = await run(newRuns(), { train: { steps: 5 }, evaluators, trackers: ['list'] });
    const written = JSON.parse(await readFile(join(result.folder, 'evaluations.json'), 'utf8')) as {
      step: number;
      evaluator: string;
    }[];
    expect(written).toEqual(result.evaluations);
    expect(written.map(({ step, evaluator }) => [step, evaluator])).toEqual([
      [2, 'norm'],
      [4, 'norm'],
      [5, 'norm'],
      [5, 'last'],
    ]);
    expect(result.evaluations[0].metrics.norm).toBeGreaterThan(0);
    expect(events).toContain('log 4 norm/norm');
  });

  it('the number of tensors is the same after every step', async () => {
    const counts: number[] = [];
    await run(
      newRuns(),
      { train: { steps: 60, checkpointEvery: 7 } },
      { onStep: () => void counts.push(tf.memory().numTensors) },
    );
    expect(new Set(counts).size).toBe(1);
  });

  it('a run continues when a tracker fails, with one warning', async () => {
    const warnings: string[] = [];
    const logger = Object.assign(Object.create(createLogger({ level: 'silent' })) as Logger, {
      warn: (text: string) => void (isOfUnused(text) || warnings.push(text)),
    });
    const result = await run(newRuns(), { trackers: ['broken', 'list'] }, { logger, quiet: true });
    expect(result.status).toBe('finished');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^Tracker "broken" failed \(no server\)/);
    expect(events.filter((event) => event.startsWith('log'))).toHaveLength(10);
  });
});

describe('a run that fails', () => {
  it('a NaN loss stops the run, and the error names the last good checkpoint', async () => {
    const runs = newRuns();
    const before = tf.memory().numTensors;
    // Item 22 is in the sixth batch of four.
    const error = await failureOf(
      run(runs, {
        dataset: { use: 'points', nanAt: 22 },
        train: { steps: 10, checkpointEvery: 2 },
        trackers: ['list'],
      }),
    );
    expect(tf.memory().numTensors).toBe(before);
    const [id] = await runsIn(runs);
    const folder = join(runs, 'toy', id);
    expect(error).toMatchObject({ code: 'training.non-finite', exitCode: 1 });
    const kept = join(folder, 'bad-batches', 'step-6.safetensors');
    expect(error.message).toBe(
      `At step 6 (batch 6, which begins at {"next":20} in the data and is kept in ${kept}) the loss is NaN, and training stopped. The last good checkpoint is ${join(folder, 'checkpoints', 'step-4')}.`,
    );
    const { y } = await readHostTensors(kept);
    expect([...y.values].map(Number.isNaN)).toEqual([false, false, true, false]);
    expect(await record(folder)).toMatchObject({ status: 'failed', error: error.message });
    expect((await readdir(join(folder, 'checkpoints'))).sort()).toEqual(['step-2', 'step-4']);
    expect((await lines(folder)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    expect(events.at(-1)).toBe('finish failed');
  });

  it('the error of a NaN loss reports that no checkpoint was written', async () => {
    const error = await failureOf(run(newRuns(), { dataset: { use: 'points', nanAt: 1 } }));
    expect(error.message).toMatch(/^At step 1 \(batch 1, .*\) the loss is NaN.*No checkpoint was written before it\.$/);
  });

  it('a run whose data end reports the step and keeps the completed steps', async () => {
    const runs = newRuns();
    const dataset = { use: 'points', count: 14, repeat: false };
    const error = await failureOf(run(runs, { dataset }));
    expect(error).toMatchObject({ code: 'data.ended' });
    expect(error.message).toBe(
      'The data ended at step 4: the dataset gave 14 items and has no more. The last 2 of them do not fill a batch of 4.',
    );
    const [id] = await runsIn(runs);
    expect(await readdir(join(runs, 'toy', id, 'checkpoints'))).toEqual(['step-3']);
  });

  it.each([
    [
      'an evaluator',
      { evaluators: [{ use: 'norm', every: 3, failAt: 3 }] },
      /^Evaluator "norm" at step 3 failed: no norm today\.$/,
    ],
    [
      'a callback',
      { callbacks: [{ use: 'watch', failAt: 3 }] },
      /^Callback "watch" at step 3 \(onStep\) failed: enough\.$/,
    ],
  ])('a run keeps its completed steps when %s fails', async (_, sections, message) => {
    const runs = newRuns();
    const error = await failureOf(run(runs, sections));
    expect(error.message).toMatch(message);
    const [id] = await runsIn(runs);
    expect(await readdir(join(runs, 'toy', id, 'checkpoints'))).toEqual(['step-3']);
  });

  it.each([
    ['missing', '"b" is missing'],
    ['twice', '"b" came twice'],
    ['unknown', '"stranger" is not a parameter of the model'],
    ['shape', '"w" has shape [3, 1, 1], expected [3, 1]'],
    ['dtype', '"unused" is int32, expected float32'],
  ])('a run does not start when the initializer does not fit the model: %s', async (spoil, message) => {
    const runs = newRuns();
    const before = tf.memory().numTensors;
    const error = await failureOf(run(runs, { initializer: { use: 'random', spoil } }));
    expect(error).toMatchObject({ code: 'run.initializer' });
    expect(error.message).toContain(message);
    expect(tf.memory().numTensors).toBe(before);
    expect(await readdir(runs)).toEqual([]);
  });

  it('a run does not start when two evaluators have the same name', async () => {
    const error = await failureOf(run(newRuns(), { evaluators: ['norm', { use: 'norm', every: 2 }] }));
    expect(error).toMatchObject({
      message:
        'config: evaluators.1.name: "norm" is what evaluators.0 is called already; give one of them a name of its own',
      exitCode: 2,
    });
  });

  it('a run does not start when the dataset lacks a field', async () => {
    const runs = newRuns();
    const error = await failureOf(run(runs, { dataset: { use: 'points', fields: ['x'] } }));
    expect(error).toMatchObject({ code: 'data.contract' });
    expect(error.message).toMatch(/^objective "squares" wants the field "y", which dataset "points" does not give/);
    expect(await readdir(runs)).toEqual([]);
  });
});

it('runs started at the same instant get separate folders', async () => {
  const runs = newRuns();
  const results = await Promise.all(Array.from({ length: 8 }, () => run(runs, { train: { steps: 2 } })));
  expect(new Set(results.map(({ folder }) => folder)).size).toBe(8);
  expect((await runsIn(runs)).sort()).toEqual(results.map(({ folder }) => basename(folder)).sort());
  for (const { folder } of results) expect(await lines(folder)).toHaveLength(2);
});
