import { openEngine, tf, type Engine } from '@graft/engine';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failureOf } from '@graft/test-support';
import { z } from 'zod';
import { toyConfig, toyModel, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import type { InterfaceName, Model, OptimizerUpdate, Parameters } from '../interfaces';
import { runExperiment } from '../run/experiment';
import { createLogger } from '../util/logger';
import { lend } from './lending';
import { defineComponent, definePlugin, type ComponentDefinition } from './plugin';

/** Runs on the portable engine, where functions given to `jit` get the parameters themselves. */
let engine: Engine;
let scratch: string;
let counter = 0;

beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
  scratch = await mkdtemp(join(tmpdir(), 'graft-lending-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const odd = (interface_: InterfaceName, make: () => unknown): ComponentDefinition => ({
  ...defineComponent({
    interface: interface_,
    id: 'odd',
    description: '',
    options: z.strictObject({}),
    useFactory: make as never,
  }),
});

async function run(component: ComponentDefinition): Promise<unknown> {
  const { interface: interface_ } = component;
  const isList = interface_ === 'evaluator' || interface_ === 'callback';
  const sections = isList ? { [`${interface_}s`]: ['odd'] } : { [interface_]: 'odd' };
  const plugins = [toyPlugin, definePlugin({ name: 'odd', components: [component] })];
  const value = toyConfig(join(scratch, String(counter++)), { ...sections, train: { steps: 2 } });
  const logger = createLogger({ level: 'silent' });
  return runExperiment(await loadConfig({ value, plugins }), { engine, logger, quiet: true });
}

/** Each kind of component that gets parameters, with code that misuses them before its own work. */
const COMPONENTS: Readonly<
  Record<string, { readonly name: string; make(misuse: (own: Parameters) => void): ComponentDefinition }>
> = {
  objective: {
    name: 'objective "odd/odd"',
    make: (misuse) => {
      const toy = toyPlugin.components.find(({ id, interface: of }) => of === 'objective' && id !== 'odd')!;
      return odd('objective', () => {
        const whole = toy.useFactory!({ options: toy.options.parse({}) } as never) as unknown as Record<
          string,
          (...given: unknown[]) => unknown
        >;
        return {
          ...whole,
          loss: (model: Model, own: Parameters, ...given: unknown[]) => {
            misuse(own);
            return whole.loss(model, own, ...given);
          },
        };
      });
    },
  },
  'model family': {
    name: 'model "odd/odd"',
    make: (misuse) =>
      odd('model', () => ({
        build: (): Model => {
          const whole = toyModel(3);
          return {
            ...whole,
            forward: (own, fields) => {
              misuse(own);
              return whole.forward(own, fields);
            },
          };
        },
      })),
  },
  optimizer: {
    name: 'optimizer "odd/odd"',
    make: (misuse) =>
      odd('optimizer', () => ({
        learningRate: 0.1,
        init: () => ({}),
        update: ({ parameters, state }: OptimizerUpdate) => {
          misuse(parameters);
          return { parameters, state };
        },
      })),
  },
  'optimizer before the first step': {
    name: 'optimizer "odd/odd"',
    make: (misuse) =>
      odd('optimizer', () => ({
        learningRate: 0.1,
        init: (own: Parameters) => {
          misuse(own);
          return {};
        },
        update: ({ parameters, state }: OptimizerUpdate) => ({ parameters, state }),
      })),
  },
  evaluator: {
    name: 'Evaluator "odd" at step 2',
    make: (misuse) =>
      odd('evaluator', () => ({
        evaluate: async ({ parameters }: { parameters: Parameters }) => {
          await Promise.resolve();
          misuse(parameters);
          return { score: 1 };
        },
      })),
  },
  callback: {
    name: 'Callback "odd" at step 1 (onStep)',
    make: (misuse) =>
      odd('callback', () => ({
        onStep: async ({ parameters }: { parameters: Parameters }) => {
          await Promise.resolve();
          misuse(parameters);
        },
      })),
  },
};

const writable = (own: Parameters): Record<string, tf.Tensor> => own as Record<string, tf.Tensor>;

describe.each(Object.entries(COMPONENTS))('the parameters in the hands of %s', (_, { name, make }) => {
  it.each<[string, (own: Parameters) => void, string]>([
    ['disposes one', (own) => own.w.dispose(), 'disposes the parameter "w"'],
    ['disposes all', (own) => tf.dispose(own), 'disposes the parameter "w"'],
    ['overwrites one', (own) => void (writable(own).w = tf.zerosLike(own.w)), 'overwrites the parameter "w"'],
    ['adds one', (own) => void (writable(own).extra = own.w), 'adds the parameter "extra"'],
    ['deletes one', (own) => void delete writable(own).b, 'deletes the parameter "b"'],
  ])('are protected: whoever %s is named, and nothing is lost', async (_what, misuse, did) => {
    const before = tf.memory().numTensors;
    const error = await failureOf(run(make((own) => tf.tidy(() => misuse(own)))));
    expect(error).toMatchObject({ name: 'PluginError', code: 'plugin.parameters' });
    expect(error.message).toBe(`${name} ${did}, which belongs to the run.`);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('stay usable for a component that only reads them', async () => {
    const reads = make((own) =>
      tf.tidy(() => {
        expect(Object.keys({ ...own })).toEqual(['w', 'b', 'unused']);
        for (const value of Object.values(own)) value.clone().dispose();
      }),
    );
    expect(await run(reads)).toMatchObject({ status: 'finished' });
  });

  it('an error of the engine in its code names it, and keeps its code', async () => {
    const error = await failureOf(
      run(make((own) => tf.tidy(() => void tf.matMul(own.w as tf.Tensor2D, tf.ones([7, 7]))))),
    );
    expect(error).toMatchObject({ name: 'EngineError', code: 'engine.tensorflow' });
    expect(error.message).toContain(name);
    expect(error.message.match(/failed: /g)).toHaveLength(1);
  });
});

it('a loan that has ended protects nothing, and loans of one tensor end in any order', () => {
  const w = tf.zeros([2]);
  const outer = lend({ w }, 'outer');
  const inner = lend({ w }, 'inner');
  expect(() => w.dispose()).toThrow('inner disposes the parameter "w"');
  outer.end();
  expect(() => w.dispose()).toThrow('inner disposes the parameter "w"');
  inner.end();
  w.dispose();
  expect(w.isDisposed).toBe(true);
});
