import { openEngine, tf, type Engine } from '@graft/engine';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failureOf } from '@graft/test-support';
import { z } from 'zod';
import { isOfUnused, events, toyConfig, toyModel, ToyDataset, toyPlugin } from '../../test/toy-plugin';
import { loadConfig, loadEvaluationConfig } from '../config';
import type { JsonValue, Model, Optimizer, OptimizerUpdate, Parameters, InterfaceName } from '../interfaces';
import { createLogger, type Logger } from '../util/logger';
import { defineComponent, definePlugin, type ComponentDefinition } from '../components/plugin';
import { runEvaluation } from './run-evaluation';
import { runExperiment } from './experiment';

/** Runs with components that do what they should not. */
let engine: Engine;
let scratch: string;
let counter = 0;
let warnings: string[];

beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
  scratch = await mkdtemp(join(tmpdir(), 'graft-component-failures-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));
beforeEach(() => {
  warnings = [];
  events.length = 0;
});

const newRuns = (): string => join(scratch, String(counter++));
const logger = Object.assign(Object.create(createLogger({ level: 'silent' })) as Logger, {
  warn: (text: string) => void (isOfUnused(text) || warnings.push(text)),
});

const odd = (interface_: InterfaceName, make: () => unknown, id = 'odd'): ComponentDefinition => ({
  ...defineComponent({
    interface: interface_,
    id,
    description: '',
    options: z.strictObject({}),
    useFactory: make as never,
  }),
});

async function run(
  runs: string,
  components: readonly ComponentDefinition[],
  sections: Record<string, unknown> = {},
): Promise<unknown> {
  const plugins = [toyPlugin, definePlugin({ name: 'odd', components: [...components] })];
  const loaded = await loadConfig({ value: toyConfig(runs, sections), plugins });
  return runExperiment(loaded, { engine, logger, quiet: true });
}

async function onlyRun(runs: string): Promise<{ folder: string; record: Record<string, unknown> }> {
  const [id] = (await readdir(join(runs, 'toy'))).filter((name) => name !== 'latest');
  const folder = join(runs, 'toy', id);
  const text = await readFile(join(folder, 'run.json'), 'utf8');
  return { folder, record: JSON.parse(text) as Record<string, unknown> };
}

describe('a component whose disposal fails', () => {
  const clinging = (id: string, dispose: () => unknown, fails = false): ComponentDefinition =>
    odd(
      'evaluator',
      () => ({
        evaluate: () => (fails ? Promise.reject(new Error('no score today')) : Promise.resolve({ score: 1 })),
        dispose: () => {
          events.push(`dispose ${id}`);
          return dispose();
        },
      }),
      id,
    );
  const thrown = clinging('thrown', () => {
    throw new Error('it clings');
  });
  const rejected = clinging('rejected', () => Promise.reject(new Error('it clings too.')));
  const fine = clinging('fine', () => undefined);
  const complaints = [
    'evaluator "rejected" could not be disposed: it clings too.',
    'evaluator "thrown" could not be disposed: it clings.',
  ];

  it('a failed disposal neither fails a finished run nor prevents other disposals', async () => {
    const runs = newRuns();
    const before = tf.memory().numTensors;
    const evaluators = ['fine', 'thrown', 'rejected'];
    const result = await run(runs, [thrown, rejected, fine], { evaluators, train: { steps: 2 } });
    expect(result).toMatchObject({ status: 'finished', steps: 2 });
    expect((await onlyRun(runs)).record).toMatchObject({ status: 'finished' });
    expect(events).toEqual(['dispose rejected', 'dispose thrown', 'dispose fine']);
    expect(warnings).toEqual(complaints);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a failed disposal does not hide the error that ended the run or prevented its start', async () => {
    const failed = clinging('failed', () => undefined, true);
    const evaluators = ['failed', 'thrown'];
    const error = await failureOf(run(newRuns(), [thrown, failed], { evaluators, train: { steps: 2 } }));
    expect(error.message).toMatch(/^Evaluator "failed" at step 2 failed: no score today/);
    const unfit = { evaluators: ['thrown'], initializer: { use: 'random', spoil: 'missing' } };
    expect(await failureOf(run(newRuns(), [thrown], unfit))).toMatchObject({ code: 'run.initializer' });
    expect(warnings).toEqual([complaints[1], complaints[1]]);
  });

  it('a failed disposal does not fail an evaluation', async () => {
    const runs = newRuns();
    const plugins = [toyPlugin, definePlugin({ name: 'odd', components: [thrown] })];
    const value = { ...toyConfig(runs), evaluators: ['thrown'] };
    const result = await runEvaluation(await loadEvaluationConfig({ value, plugins }), { engine, logger });
    expect(result.status).toBe('finished');
    expect(warnings).toEqual([complaints[1]]);
    expect(existsSync(join(result.folder, 'evaluations.json'))).toBe(true);
  });
});

describe('an invalid learning rate', () => {
  it.each([
    ['schedule "odd/odd" gives step 3 the factor NaN', { factor: (step: number) => (step < 2 ? 1 : NaN) }],
    ['schedule "odd/odd" gives step 3 the factor -1', { factor: (step: number) => 1 - step }],
    ['schedule "odd/odd" gives step 1 the factor undefined', { factor: () => undefined }],
    ['optimizer "odd/odd" has the learning rate Infinity', { learningRate: Infinity }],
  ] as const)('an invalid learning rate is rejected before the step: %s', async (message, component) => {
    const section = 'factor' in component ? 'schedule' : 'optimizer';
    const runs = newRuns();
    const whole = section === 'schedule' ? component : { init: () => ({}), update: () => ({}), ...component };
    const error = await failureOf(run(runs, [odd(section, () => whole)], { [section]: 'odd' }));
    expect(error).toMatchObject({ name: 'PluginError', code: 'training.learning-rate' });
    expect(error.message).toBe(`${message}; expected a finite number >= 0.`);
    const { folder } = await onlyRun(runs);
    const saved = await readdir(join(folder, 'checkpoints')).catch(() => []);
    expect(saved).toEqual(message.includes('step 3') ? ['step-2'] : []);
  });
});

describe('an update that is not finite', () => {
  /** Plain descent, which spoils `w` in one of its steps. */
  const spoiling = (at: number, value: number): ComponentDefinition =>
    odd('optimizer', (): Optimizer => ({
      learningRate: 0.05,
      init: () => ({}),
      update: ({ parameters, gradients, learningRate, step }) => ({
        parameters: Object.fromEntries(
          Object.entries(parameters).map(([name, before]) => {
            const after = tf.sub(before, tf.mul(gradients[name], learningRate));
            const bad = tf.logicalAnd(tf.equal(step, at - 1), name === 'w');
            return [name, tf.where(tf.broadcastTo(bad, after.shape), tf.fill(after.shape, value), after)];
          }),
        ),
        state: {},
      }),
    }));

  it.each([
    ['the last step', 4, NaN, 'After step 4 parameter "w" holds NaN'],
    ['a checkpoint', 2, Infinity, 'After step 2 parameter "w" holds Infinity'],
  ])('parameters that are not finite are not saved before %s', async (_, at, value, message) => {
    const runs = newRuns();
    const train = { steps: 4, checkpointEvery: at === 2 ? 2 : 1 };
    const error = await failureOf(run(runs, [spoiling(at, value)], { optimizer: 'odd', train }));
    const { folder, record } = await onlyRun(runs);
    const good = at === 2 ? undefined : join(folder, 'checkpoints', 'step-3');
    expect(error).toMatchObject({ name: 'TrainingError', code: 'training.non-finite' });
    expect(error.message).toBe(
      `${message}, and training stopped. ${good ? `The last good checkpoint is ${good}.` : 'No checkpoint was written before it.'}`,
    );
    expect(record).toMatchObject({ status: 'failed', error: error.message });
    const saved = await readdir(join(folder, 'checkpoints')).catch(() => []);
    expect(saved.sort()).toEqual(good ? ['step-2', 'step-3'] : []);
  });

  it('frozen parameters that are not finite are ignored', async () => {
    const frozen = odd('initializer', () => ({
      checkpointConfig: () => Promise.resolve(undefined),
      async *parameters(model: Model) {
        for (const { name, shape } of model.parameters)
          yield [name, name === 'unused' ? tf.fill([...shape], -Infinity) : tf.zeros([...shape])];
      },
    }));
    const sections = { initializer: 'odd', train: { steps: 2, groups: [{ names: ['unused'], untilStep: 0 }] } };
    expect(await run(newRuns(), [frozen], sections)).toMatchObject({ status: 'finished' });
  });
});

describe('an evaluator that returns something other than numbers', () => {
  it.each([
    ['undefined', () => undefined],
    ['a text', () => 'good'],
    ['a tensor', () => tf.scalar(1)],
    ['a Map', () => new Map([['score', 1]])],
    ['a list', () => [1]],
    ['undefined for "score"', () => ({ loss: 1, score: undefined })],
    ['an object for "score"', () => ({ score: { mean: 1 } })],
    ['a text for "score"', () => ({ score: '1' })],
  ])('an invalid result of an evaluator is rejected before it is recorded: %s', async (got, make) => {
    const runs = newRuns();
    const evaluator = odd('evaluator', () => ({ evaluate: () => Promise.resolve(make()) }));
    const error = await failureOf(run(runs, [evaluator], { evaluators: ['odd'], train: { steps: 2 } }));
    expect(error).toMatchObject({ name: 'PluginError', code: 'training.evaluator' });
    expect(error.message).toBe(`Evaluator "odd" at step 2 returned ${got}; expected an object of numbers by name.`);
    expect(existsSync(join((await onlyRun(runs)).folder, 'evaluations.json'))).toBe(false);
  });
});

describe('the initial state of an optimizer', () => {
  /** Descent that gives its state back as it was. */
  const starting = (init: (parameters: Parameters) => unknown): ComponentDefinition =>
    odd('optimizer', () => ({
      learningRate: 0.05,
      init,
      update: ({ parameters, gradients, learningRate, state }: OptimizerUpdate) => ({
        parameters: Object.fromEntries(
          Object.entries(parameters).map(([name, before]) => [
            name,
            tf.sub(before, tf.mul(gradients[name], learningRate)),
          ]),
        ),
        state,
      }),
    }));

  it.each([
    ['undefined', () => undefined],
    ['a Promise', () => Promise.reject(new Error('later'))],
    ['a list', () => [tf.scalar(0)]],
    ['a Float32Array for "m/w"', () => ({ 'm/w': new Float32Array(3) })],
    ['a bool tensor for "seen"', () => ({ 'm/w': tf.zeros([3, 1]), seen: tf.scalar(true) })],
    ['a complex64 tensor for "c/w"', () => ({ 'c/w': tf.complex([1], [1]) })],
    ['a string tensor for "note"', () => ({ note: tf.scalar('x', 'string') })],
  ])('an invalid initial state is rejected before the run is created: %s', async (got, init) => {
    const runs = newRuns();
    const before = tf.memory().numTensors;
    const error = await failureOf(run(runs, [starting(init)], { optimizer: 'odd' }));
    expect(error).toMatchObject({ name: 'PluginError', code: 'training.optimizer' });
    expect(error.message).toBe(`optimizer "odd/odd": init returned ${got}; expected float32 or int32 tensors by name.`);
    expect(await readdir(runs)).toEqual([]);
    if (got !== 'a list') expect(tf.memory().numTensors).toBe(before);
  });

  it('the initial state may share tensors with the parameters or between names', async () => {
    const before = tf.memory().numTensors;
    const shared = starting((parameters) => {
      const zero = tf.zeros([2]);
      return { 'first/w': parameters.w, 'second/w': parameters.w, 'a/unused': zero, 'b/unused': zero };
    });
    const initializer = odd('initializer', () => ({
      checkpointConfig: () => Promise.resolve(undefined),
      async *parameters() {
        const one = tf.ones([1]);
        yield ['b', one];
        yield ['w', one];
      },
    }));
    const model = odd('model', () => ({
      build: () => {
        const whole = toyModel(1);
        const parameters = whole.parameters.map((each) => ({ ...each, shape: [1] }));
        return {
          ...whole,
          parameters: parameters.slice(0, 2),
          forward: (own: Parameters, { x }: Record<string, tf.Tensor>) => ({
            logits: tf.mul(x, own.w).add(own.b).expandDims(0),
          }),
        };
      },
    }));
    const train = { steps: 3 };
    expect(await run(newRuns(), [shared], { optimizer: 'odd', train })).toMatchObject({ steps: 3 });
    const sections = { initializer: 'odd', model: 'odd', dataset: { use: 'points', width: 2 }, train };
    expect(await run(newRuns(), [initializer, model], sections)).toMatchObject({ steps: 3 });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a position that is not plain JSON', () => {
  class Placed extends ToyDataset {
    constructor(private readonly positionAt: (next: number) => unknown) {
      super({ kind: 'examples', width: 3, count: 1000, repeat: true, fields: ['x', 'y'] });
    }

    override position(): JsonValue {
      return this.positionAt((super.position() as { next: number }).next) as JsonValue;
    }
  }
  const placed = (positionAt: (next: number) => unknown): ComponentDefinition =>
    odd('dataset', () => new Placed(positionAt));

  it.each([
    ['is undefined', () => undefined],
    ['is a Map', () => new Map([['next', 1]])],
    ['is a function', () => () => 1],
    ['holds NaN at "next"', () => ({ next: NaN })],
    ['holds undefined at "rows.1"', () => ({ rows: [1, undefined] })],
    ['holds a Float32Array at "deep.0.ids"', () => ({ deep: [{ ids: new Float32Array(2) }] })],
    ['holds a Date at "since"', () => ({ since: new Date() })],
    ['holds a bigint at "next"', (next: number) => ({ next: BigInt(next) })],
  ])('an invalid position is rejected before the run is created: it %s', async (what, positionAt) => {
    const runs = newRuns();
    const before = tf.memory().numTensors;
    const error = await failureOf(run(runs, [placed(positionAt)], { dataset: 'odd' }));
    expect(error).toMatchObject({ name: 'PluginError', code: 'data.position' });
    expect(error.message).toBe(
      `dataset "odd/odd": its position ${what}, which a checkpoint cannot keep; expected plain JSON.`,
    );
    expect(await readdir(runs)).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a position that becomes invalid is rejected before its step', async () => {
    const runs = newRuns();
    const dataset = placed((next) => (next < 12 ? { next, note: undefined } : { next: Infinity }));
    const error = await failureOf(run(runs, [dataset], { dataset: 'odd' }));
    expect(error.message).toMatch(/^dataset "odd\/odd": its position holds Infinity at "next"/);
    expect(await readdir(join((await onlyRun(runs)).folder, 'checkpoints'))).toEqual(['step-2']);
  });
});
