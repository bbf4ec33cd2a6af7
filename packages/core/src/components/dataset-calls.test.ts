import { DataError, openEngine } from '@graft/engine';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failureOf } from '@graft/test-support';
import { z } from 'zod';
import { toyConfig, ToyDataset, toyPlugin } from '../../test/toy-plugin';
import { componentOption, loadConfig } from '../config';
import { watchedItems } from '../data/items';
import type { Dataset, HostFields } from '../interfaces';
import { runExperiment } from '../run/experiment';
import { createLogger } from '../util/logger';
import { callingDataset } from './dataset-calls';
import { defineComponent, definePlugin } from './plugin';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'graft-dataset-calls-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const bad = (): Error =>
  new DataError('texts.txt, line 3: no text.', { code: 'odd.line', hint: 'Add one.', exitCode: 2 });
const FAILURES: Readonly<Record<string, () => unknown>> = {
  graft: bad,
  plain: () => new Error('no luck'),
  text: () => 'oh',
};

class Failing extends ToyDataset {
  constructor(private readonly thrown: unknown) {
    super({ kind: 'examples', width: 3, count: 1000, repeat: true, fields: ['x', 'y'] });
  }
  override async *[Symbol.asyncIterator](): AsyncGenerator<HostFields> {
    let left = 5;
    for await (const item of { [Symbol.asyncIterator]: () => super[Symbol.asyncIterator]() }) {
      if (left-- === 0) throw this.thrown;
      yield item;
    }
  }
}

/** What a wrapper of datasets looks like: it calls its part. */
class Wrapper extends ToyDataset {
  constructor(private readonly part: Dataset) {
    super({ kind: 'examples', width: 3, count: 1000, repeat: true, fields: ['x', 'y'] });
  }
  override async *[Symbol.asyncIterator](): AsyncGenerator<HostFields> {
    const items = this.part[Symbol.asyncIterator]();
    for (;;) yield (await callingDataset(this.part, () => items.next())).value as HostFields;
  }
}

const plugin = definePlugin({
  name: 'odd',
  components: [
    defineComponent({
      interface: 'dataset',
      id: 'failing',
      description: '',
      options: z.strictObject({ with: z.string().default('graft'), opens: z.boolean().default(true) }),
      useFactory: ({ options }) => {
        if (!options.opens) throw FAILURES[options.with]();
        return new Failing(FAILURES[options.with]());
      },
    }),
    defineComponent({
      interface: 'dataset',
      id: 'wrapper',
      description: '',
      options: z.strictObject({ parts: z.array(z.strictObject({ of: componentOption('dataset') })) }),
      useFactory: async ({ options, components }) =>
        new Wrapper(await components.create('dataset', options.parts.at(-1)!.of)),
    }),
    defineComponent({
      interface: 'evaluator',
      id: 'reader',
      description: '',
      options: z.strictObject({ of: componentOption('dataset') }),
      useFactory: async ({ options, components }) => {
        const dataset = await components.create('dataset', options.of);
        return {
          evaluate: async () => {
            for await (const _ of watchedItems(dataset));
            return { score: 1 };
          },
        };
      },
    }),
  ],
});

async function failure(sections: Record<string, unknown>): Promise<Error> {
  const value = toyConfig(join(scratch, 'runs'), { train: { steps: 2, batchSize: 4 }, ...sections });
  const logger = createLogger({ level: 'silent' });
  const engine = await openEngine({ mode: 'portable' });
  const plugins = [toyPlugin, plugin];
  return failureOf(runExperiment(await loadConfig({ value, plugins }), { engine, logger, quiet: true }));
}

it.each<[string, Record<string, unknown>, string]>([
  ['the data of the training', { dataset: 'failing' }, 'dataset "odd/failing": '],
  [
    'a part of another dataset',
    { dataset: { use: 'wrapper', parts: [{ of: 'points' }, { of: 'failing' }] } },
    'dataset "odd/failing" (dataset.parts.1.of in the config): ',
  ],
  [
    'the data of an evaluator',
    { evaluators: [{ use: 'reader', name: 'first', every: 1, of: 'failing' }] },
    'dataset "odd/failing" (evaluators.0.of in the config): ',
  ],
  [
    'data that cannot be opened',
    { dataset: { use: 'wrapper', parts: [{ of: { use: 'failing', opens: false } }] } },
    'dataset "odd/failing" (dataset.parts.0.of in the config): ',
  ],
])('an error in %s names the dataset once, with its place in the config', async (_, sections, name) => {
  const error = await failure(sections);
  expect(error.message).toBe(`${name}texts.txt, line 3: no text.`);
  expect(error).toMatchObject({ name: 'DataError', code: 'odd.line', hint: 'Add one.', exitCode: 2 });
});

it.each([
  ['plain', 'no luck'],
  ['text', 'oh'],
])('what is thrown without being an error of Graft names dataset and step: %s', async (how, reason) => {
  const error = await failure({ dataset: { use: 'failing', with: how } });
  expect(error.message).toBe(`Making the batch for step 2 failed: dataset "odd/failing": ${reason}.`);
  expect(error).toMatchObject({ code: 'training.component' });
});
