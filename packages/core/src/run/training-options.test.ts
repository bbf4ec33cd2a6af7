/** What `train` can ask of the loop, seen through whole runs. */
import { CheckpointReader, listSnapshots } from '@graft/checkpoint';
import { openEngine, tf, type Engine } from '@graft/engine';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { isOfUnused, toyConfig, toyModel, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { createLogger, type Logger } from '../util/logger';
import { defineComponent, definePlugin, type Plugin } from '../components/plugin';
import type { BatchTensors, Model, Objective, Parameters } from '../interfaces';
import { runExperiment, type RunOptions, type RunResult } from './experiment';

let engine: Engine;
let scratch: string;
let counter = 0;

beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
  scratch = await mkdtemp(join(tmpdir(), 'graft-train-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const newRuns = (): string => join(scratch, String(counter++));

async function run(
  sections: Record<string, unknown>,
  { runs = newRuns(), ...options }: RunOptions & { runs?: string } = {},
): Promise<RunResult> {
  const loaded = await loadConfig({ value: toyConfig(runs, sections), plugins: [toyPlugin] });
  const before = tf.memory().numTensors;
  try {
    return await runExperiment(loaded, { engine, ...options });
  } finally {
    expect(tf.memory().numTensors).toBe(before);
  }
}

type Line = Record<string, number>;
const lines = async (folder: string): Promise<Line[]> =>
  (await readFile(join(folder, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

async function tensorsOf(path: string): Promise<Record<string, number[]>> {
  const reader = await CheckpointReader.open(path);
  const values: Record<string, number[]> = {};
  for (const [name, { dtype }] of reader.tensors)
    values[name] = [...(dtype === 'I32' ? await reader.readInt32(name) : await reader.readFloat32(name))];
  await reader.close();
  return values;
}
const newest = async ({ folder }: { folder: string }): Promise<string> =>
  (await listSnapshots(join(folder, 'checkpoints'))).pop()!.folder;

describe('micro-batches', () => {
  it('micro-batches give the losses of the whole batch and sum its counts', async () => {
    // The toy's jitter stands for dropout, which differs from part to part.
    const still = { objective: { use: 'squares', jitter: false } };
    const whole = await lines((await run({ ...still, train: { steps: 6, batchSize: 8 } })).folder);
    const parts = await lines((await run({ ...still, train: { steps: 6, batchSize: 8, microBatches: 4 } })).folder);
    whole.forEach((line, i) => {
      for (const name of ['loss', 'gradNorm', 'meanError', 'rows', 'learningRate'])
        expect(parts[i][name]).toBeCloseTo(line[name], 5);
    });
    expect(parts[0].rows).toBe(8);
  });

  it('micro-batches must divide the batch evenly', async () => {
    await expect(run({ train: { steps: 1, batchSize: 6, microBatches: 4 } })).rejects.toMatchObject({
      code: 'data.parts',
      message: 'A batch cannot be shared out into 4 equal parts: it has 6 rows.',
    });
  });
});

describe('parameter groups', () => {
  it('parameter groups freeze parameters and scale learning rates', async () => {
    const runs = newRuns();
    const plain = await tensorsOf(await newest(await run({ train: { steps: 1 } }, { runs })));
    const result = await run(
      {
        train: {
          steps: 1,
          groups: [
            { names: ['b'], untilStep: 0 },
            { parts: ['decoder'], learningRateFactor: 2 },
          ],
        },
      },
      { runs },
    );
    const after = await tensorsOf(await newest(result));
    const begin = await tensorsOf(
      await newest(await run({ train: { steps: 1 }, optimizer: { use: 'momentum', learningRate: 0 } }, { runs })),
    );
    expect(after.b).toEqual(begin.b);
    expect(plain.b).not.toEqual(begin.b);
    after.w.forEach((value, i) => expect(value - begin.w[i]).toBeCloseTo(2 * (plain.w[i] - begin.w[i]), 5));
    const state = await tensorsOf(join(await newest(result), 'optimizer.safetensors'));
    expect(Object.keys(state).sort()).toEqual(['momentum.updates', 'momentum/unused', 'momentum/w']);
    expect(state['momentum.updates']).toEqual([1]);
  });

  it('a resumed run continues across the step at which a group starts', async () => {
    const train = { steps: 8, groups: [{ names: ['b'], fromStep: 4 }] };
    const whole = await run({ train });
    const runs = newRuns();
    const controller = new AbortController();
    await run(
      { train },
      { runs, signal: controller.signal, onStep: (step) => void (step === 3 && controller.abort()) },
    );
    const resumed = await run({ train }, { runs, resume: true });
    expect(await tensorsOf(await newest(resumed))).toEqual(await tensorsOf(await newest(whole)));
  });
});

describe('a moving average', () => {
  const train = { steps: 6, averageDecay: 0.5 };

  it('the moving average is evaluated and saved next to the parameters', async () => {
    const runs = newRuns();
    const result = await run({
      train: { ...train, steps: 1 },
      evaluators: ['norm'],
    });
    const snapshot = await newest(result);
    const [raw, kept] = [await tensorsOf(snapshot), await tensorsOf(join(snapshot, 'average'))];
    const begin = await tensorsOf(
      await newest(await run({ train: { steps: 1 }, optimizer: { use: 'momentum', learningRate: 0 } }, { runs })),
    );
    // At the first step the decay is 1 / 10.
    kept.w.forEach((value, i) => expect(value).toBeCloseTo(0.1 * begin.w[i] + 0.9 * raw.w[i], 6));
    expect(result.evaluations[0].metrics.norm).toBeCloseTo(Math.hypot(...kept.w), 5);
  });

  it('a resumed run continues the moving average', async () => {
    const whole = await run({ train });
    const runs = newRuns();
    const controller = new AbortController();
    await run(
      { train },
      { runs, signal: controller.signal, onStep: (step) => void (step === 2 && controller.abort()) },
    );
    const resumed = await run({ train }, { runs, resume: true });
    expect(await tensorsOf(join(await newest(resumed), 'average'))).toEqual(
      await tensorsOf(join(await newest(whole), 'average')),
    );
  });
});

describe('a loss that is not finite', () => {
  const dataset = { use: 'points', nanAt: 22 };

  it('with nonFinite: skip the step is skipped and leaves parameters unchanged', async () => {
    const notes: string[] = [];
    const logger = Object.assign(Object.create(createLogger({ level: 'silent' })) as Logger, {
      info: (text: string) => void notes.push(text),
    });
    const sections = { dataset, train: { steps: 8, nonFinite: 'skip', checkpointEvery: 1, keepCheckpoints: 9 } };
    const result = await run(sections, { logger, quiet: false });
    expect(result.status).toBe('finished');
    expect(notes.join('\n')).toContain('At step 6 the loss is NaN; the step is skipped.');
    const at = (step: number): string => join(result.folder, 'checkpoints', `step-${step}`);
    expect(await tensorsOf(at(6))).toEqual(await tensorsOf(at(5)));
    expect(await tensorsOf(at(7))).not.toEqual(await tensorsOf(at(6)));
    const all = await lines(result.folder);
    expect(all[5].loss).toBeNull();
    expect(all[7].loss).toEqual(expect.any(Number));
  });

  it('the run stops after ten skipped steps in a row', async () => {
    const error = run({
      dataset: { use: 'points', nanFrom: 0 },
      train: { steps: 30, nonFinite: 'skip' },
    });
    await expect(error).rejects.toThrow(/At step 11 .* the loss is NaN \(the 10 steps before it were skipped\)/);
  });
});

it('an exploding loss stops the run unless configured otherwise', async () => {
  const optimizer = { use: 'momentum', learningRate: 2 };
  await expect(run({ optimizer })).rejects.toMatchObject({
    code: 'training.exploded',
    message: expect.stringMatching(/^At step \d+ \(batch .*\) the loss has exploded to .* \(more than .*\)/),
    hint: expect.stringContaining('train.explodingLossFactor'),
  });
  expect(await run({ optimizer, train: { steps: 5, explodingLossFactor: 0 } })).toMatchObject({ status: 'finished' });
});

it.each([
  [3, 4, []],
  [4, 4, ['train.crossAttentionWarmupSteps is 4, but there are 4 steps: nothing but cross-attention is trained.']],
])(
  'a cross-attention warm-up of %d in %d steps is warned about if nothing else is trained',
  async (crossAttentionWarmupSteps, steps, expected) => {
    const crossed = defineComponent({
      interface: 'model',
      id: 'crossed',
      description: 'the toy, of which a part is cross-attention',
      options: z.strictObject({}),
      useFactory: () => ({
        build: (): Model => {
          const toy = toyModel(3);
          const parameters = toy.parameters.map((one) =>
            one.name === 'b' ? { ...one, part: 'cross-attention' as const } : one,
          );
          return { ...toy, parameters };
        },
      }),
    });
    const loaded = await loadConfig({
      value: toyConfig(newRuns(), { model: 'crossed', train: { steps, crossAttentionWarmupSteps } }),
      plugins: [toyPlugin, definePlugin({ name: 'crossed', components: [crossed] })],
    });
    const lines: string[] = [];
    const logger = createLogger({ level: 'silent' });
    logger.warn = (line: string) => void (isOfUnused(line) || lines.push(line));
    await runExperiment(loaded, { engine, logger, quiet: true });
    expect(lines).toEqual(expected);
  },
);

describe('a loss that does not depend on all parameters', () => {
  /** The toy's objective with another loss. */
  const losing = (loss: Objective['loss'], variants?: readonly string[]): Plugin => {
    const squares = toyPlugin.components.find(({ id }) => id === 'squares')!.useFactory!({} as never) as Objective;
    const own: Objective = {
      inputFields: (kind) => squares.inputFields(kind),
      batchFields: squares.batchFields,
      prepare: (source, context) => squares.prepare(source, context),
      loss,
      ...(variants && { variants, variantAt: (step) => variants[step % variants.length] }),
    };
    const options = z.strictObject({});
    return definePlugin({
      name: 'losing',
      components: [
        defineComponent({ interface: 'objective', id: 'lost', description: 'x', options, useFactory: () => own }),
      ],
    });
  };
  const errorOf = (model: Model, parameters: Parameters, batch: BatchTensors): tf.Tensor =>
    tf.sub(model.forward(parameters, batch).logits.squeeze([0]), batch.y);
  const train = async (
    plugin: Plugin,
    settings: object = {},
  ): Promise<{ warnings: string[]; before: number[]; failed?: unknown }> => {
    const value = toyConfig(newRuns(), { objective: 'lost', train: { steps: 4, batchSize: 4, ...settings } });
    const loaded = await loadConfig({ value, plugins: [toyPlugin, plugin] });
    const warnings: string[] = [];
    const before: number[] = [];
    let steps = 0;
    const logger = createLogger({ level: 'silent' });
    logger.warn = (line: string) => {
      warnings.push(line);
      before.push(steps);
    };
    const failed = await runExperiment(loaded, { engine, logger, quiet: true, onStep: () => void steps++ }).then(
      () => undefined,
      (error: unknown) => error,
    );
    return { warnings, before, failed };
  };

  it.each([{}, { microBatches: 2 }])(
    'unused parameters are named in one warning before the first step: %j',
    async (settings) => {
      const { warnings, before } = await train(
        losing((model, parameters, batch) => ({ loss: tf.mean(tf.square(errorOf(model, parameters, batch))) })),
        settings,
      );
      expect(warnings).toEqual([
        'objective "losing/lost": the loss does not depend on 1 of the 3 parameters that train (unused): they have no gradient, and change by weight decay at most.',
      ]);
      expect(before).toEqual([0]);
    },
  );

  it('a loss that depends on no parameter is an error', async () => {
    const { failed } = await train(losing((_, __, batch) => ({ loss: tf.mean(tf.square(batch.y)) })));
    expect(failed).toMatchObject({
      code: 'training.no-gradient',
      exitCode: 2,
      message:
        'objective "losing/lost": the loss depends on none of the 3 parameters that train, so that there is nothing to learn.',
    });
  });

  it('a gradient of 0 for every parameter is logged once', async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: 'silent' });
    logger.info = (line: string) => void lines.push(line);
    const stopped = tf.customGrad((x) => ({
      value: (x as tf.Tensor).clone(),
      gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
    }));
    const plugin = losing((model, parameters, batch) => ({
      loss: tf.mean(tf.square(stopped(errorOf(model, parameters, batch)))),
    }));
    const value = toyConfig(newRuns(), { objective: 'lost', train: { steps: 2, batchSize: 4 } });
    const loaded = await loadConfig({ value, plugins: [toyPlugin, plugin] });
    const { isTTY } = process.stderr;
    process.stderr.isTTY = false;
    await runExperiment(loaded, { engine, logger });
    process.stderr.isTTY = isTTY;
    expect(lines.join('').match(/At step 1 the gradient of every parameter is 0/g)).toHaveLength(1);
  });

  it('an operation without a gradient between loss and parameters is an error', async () => {
    const { failed } = await train(
      losing((model, parameters, batch) => ({
        loss: tf.mean(tf.cast(tf.greater(errorOf(model, parameters, batch), 0), 'float32')),
      })),
    );
    expect(failed).toMatchObject({
      code: 'engine.no-gradient',
      message: expect.stringMatching(
        /^objective ".*": the gradient of loss failed: Greater has no gradient, and the loss depends on parameters through it\.$/,
      ),
    });
  });

  it('each variant of an objective is checked, and frozen parameters are ignored', async () => {
    const { warnings } = await train(
      losing(
        (model, parameters, batch, { variant }) => ({
          loss: variant === 'bias' ? tf.sum(tf.square(parameters.b)) : tf.mean(errorOf(model, parameters, batch)),
        }),
        ['bias', 'all'],
      ),
      { groups: [{ names: ['unused'], untilStep: 0 }] },
    );
    expect(warnings).toEqual([
      'objective "losing/lost", part "bias": the loss does not depend on 1 of the 2 parameters that train (w): they have no gradient, and change by weight decay at most.',
    ]);
  });
});
