import { tf } from '@graft/engine';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ToyDataset, toyConfig, toyPlugin } from '../../test/toy-plugin';
import { engine, lines, newRuns, runsIn, stopAt } from '../../test/toy-runs';
import { defineComponent, definePlugin } from '../components/plugin';
import { loadConfig, type LoadedExperiment, type LoadedTraining } from '../config';
import { dryRun } from './dry-run';
import { runExperiment, type RunOptions, type RunResult } from './experiment';
import { findSameRun } from './same-run';
import { withTrainingSteps } from './training-steps';

const Options = z.strictObject({
  kind: z.enum(['examples', 'batch']).default('examples'),
  length: z.number().optional(),
  repeats: z.boolean().optional(),
  /** Items without an end, or this many. */
  items: z.number().optional(),
  hasParts: z.boolean().default(false),
});

/** A dataset that says how long it is, or does not. */
const sized = definePlugin({
  name: 'sized',
  components: [
    defineComponent({
      interface: 'dataset',
      id: 'sized',
      description: 'noisy points of a known number',
      options: Options,
      useFactory: ({ options: { kind, length, repeats, items, hasParts } }) => {
        const data = new ToyDataset({
          kind,
          width: 3,
          count: items ?? 1000,
          repeat: items === undefined,
          fields: ['x', 'y'],
        });
        return Object.assign(data, {
          length,
          repeats,
          ...(hasParts && { select: () => data.fields }),
        });
      },
    }),
  ],
});

const load = (train: object, dataset: object = {}, runs = newRuns()): Promise<LoadedExperiment> =>
  loadConfig({
    value: { ...toyConfig(runs, { dataset: { use: 'sized', ...dataset } }), train },
    plugins: [toyPlugin, sized],
  });

async function stepsOf(train: object, dataset: object = {}): Promise<number> {
  const { config } = await withTrainingSteps(await load(train, dataset), { engine });
  expect(config.train).not.toHaveProperty('tokens');
  expect(config.train).not.toHaveProperty('epochs');
  return config.train.steps;
}

describe('train.epochs', () => {
  it.each([
    ['of a dataset that repeats, the last one is completed by the next', { epochs: 2, batchSize: 4 }, { length: 9 }, 5],
    [
      'of one that ends, the last examples do not fill a batch',
      { epochs: 1, batchSize: 4 },
      { length: 9, repeats: false },
      2,
    ],
    ['may be a fraction', { epochs: 0.3, batchSize: 3 }, { length: 100 }, 10],
    ['of ready batches count those', { epochs: 3, batchSize: 4 }, { kind: 'batch', length: 7 }, 21],
    ['shorter than a batch are one step', { epochs: 0.01, batchSize: 4 }, { length: 9 }, 1],
  ])('%s', async (_, train, dataset, steps) => {
    expect(await stepsOf(train, { repeats: true, ...dataset })).toBe(steps);
  });

  it.each([
    ['does not know how many examples it has', { epochs: 1 }, {}],
    ['ends after one epoch', { epochs: 2 }, { length: 9, repeats: false }],
    [
      'draws from several sets of examples, so that no epoch is a number of them',
      { epochs: 1 },
      { length: 9, hasParts: true },
    ],
  ])('a dataset that %s is refused', async (problem, train, dataset) => {
    const { config, registry } = await load(train, dataset);
    await expect(withTrainingSteps({ config, registry }, { engine })).rejects.toMatchObject({
      code: 'training.epochs',
      message: `train.epochs is ${train.epochs}, but dataset "sized" ${problem}.`,
    });
  });
});

describe('train.tokens', () => {
  it('are as many steps as batches have them, by the first ones', async () => {
    // The toy's objective counts the numbers in x: 3 for each example.
    expect(await stepsOf({ tokens: 1000, batchSize: 4 })).toBe(84);
    expect(await stepsOf({ tokens: 1, batchSize: 4 })).toBe(1);
    expect(await stepsOf({ tokens: 1e3, batchSize: 4 }, { kind: 'batch', items: 2 })).toBe(84);
  });
});

it('a note says how many steps they are, and nothing is left behind', async () => {
  const tensors = tf.memory().numTensors;
  const noteOf = async (train: object): Promise<string | undefined> =>
    (await withTrainingSteps(await load(train, { length: 9, repeats: true }), { engine })).stepsNote;
  expect(
    await Promise.all([{ epochs: 2, batchSize: 4 }, { tokens: 1000, batchSize: 4 }, { steps: 3 }].map(noteOf)),
  ).toEqual([
    'train.epochs 2 is 5 steps: an epoch of dataset "sized" has 9 examples, 4 a step.',
    'train.tokens 1,000 is 84 steps: a batch has 12 tokens.',
    undefined,
  ]);
  expect(tf.memory().numTensors).toBe(tensors);
});

it('exactly one of steps, tokens and epochs is wanted, and null removes an inherited one', async () => {
  const expected = 'train: expected exactly one of steps, tokens, epochs';
  await expect(load({ batchSize: 4 })).rejects.toThrow(`${expected}, got none`);
  await expect(load({ steps: 3, epochs: 1 })).rejects.toThrow(
    `${expected}, got steps and epochs; steps: null removes an inherited one`,
  );
  const value = toyConfig(newRuns(), { train: { steps: 3 } });
  const overrides = ['train.steps=null', 'train.tokens=24'];
  const { config } = await loadConfig({ value, plugins: [toyPlugin], overrides });
  expect(config.train).toMatchObject({ tokens: 24 });
});

describe('a run', () => {
  const DATA = { length: 10, repeats: true };
  const train = (epochs: number, runs: string, options: RunOptions = {}): Promise<RunResult> =>
    load({ epochs, batchSize: 4 }, DATA, runs).then((loaded) => runExperiment(loaded, { engine, ...options }));

  it('trains by the steps, which its config.json has, and resumes by them', async () => {
    const runs = newRuns();
    const stopped = await train(2, runs, stopAt(2));
    expect(stopped).toMatchObject({ status: 'interrupted', steps: 2, totalSteps: 5 });
    const { folder } = await train(2, runs, { resume: true });
    expect(await lines(folder)).toHaveLength(5);
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as { train: object };
    expect(await readFile(join(folder, 'log.txt'), 'utf8')).toContain('train.epochs 2 is 5 steps: an epoch of');
    expect(config.train).toMatchObject({ steps: 5, stepsFrom: { epochs: 2, steps: 5 } });
    expect(config.train).not.toHaveProperty('epochs');
    const loaded = await load({ epochs: 2, batchSize: 4 }, DATA, runs);
    expect(await findSameRun(join(runs, 'toy'), loaded.config)).toMatchObject({ folder });
    const again = (train: object): Promise<LoadedTraining> =>
      loadConfig({ value: { ...config, train: { ...config.train, ...train } }, plugins: [toyPlugin, sized] }).then(
        (own) => withTrainingSteps(own, { engine }),
      );
    expect((await again({})).config.train).toMatchObject({ steps: 5, stepsFrom: { epochs: 2, steps: 5 } });
    expect((await again({ steps: 7 })).config.train).not.toHaveProperty('stepsFrom');
    await expect(train(2, runs, { resume: stopped.id })).rejects.toMatchObject({ code: 'run.finished' });
    expect(await train(4, runs, { resume: true })).toMatchObject({ status: 'finished', steps: 10 });
    expect(await runsIn(runs)).toHaveLength(1);
  });

  it('has the steps that a dry run shows', async () => {
    expect((await dryRun(await load({ epochs: 2, batchSize: 4 }, DATA), { engine })).steps).toBe(5);
  });
});
