import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { componentOption, loadConfig, pathOption } from '../config';
import { defineComponent, definePlugin } from '../components/plugin';
import { runExperiment } from './experiment';
import { findTokenizerFiles } from './tokenizer-files';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'graft-tokenizer-'));
  for (const name of ['data', 'parameters']) {
    await mkdir(join(scratch, name));
    await writeFile(join(scratch, name, 'tokenizer.json'), name);
    await writeFile(join(scratch, name, 'notes.txt'), 'no part of it');
  }
  await writeFile(join(scratch, 'parameters', 'tokenizer_config.json'), '{}');
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const [points, random] = ['points', 'random'].map((id) =>
  toyPlugin.components.find((component) => component.id === id)!,
);
const encoded = z.strictObject({
  tokenizer: componentOption('tokenizer').optional(),
  parts: z.array(z.strictObject({ dataset: componentOption('dataset') })).default([]),
});
const never = (): never => {
  throw new Error('of no need here');
};
const plugin = definePlugin({
  name: 'tokens',
  components: [
    defineComponent({
      interface: 'tokenizer',
      id: 'file',
      description: 'from a file',
      options: z.strictObject({ path: pathOption() }),
      useFactory: never,
    }),
    defineComponent({
      interface: 'tokenizer',
      id: 'plain',
      description: 'without files',
      options: z.strictObject({}),
      useFactory: never,
    }),
    defineComponent({
      interface: 'dataset',
      id: 'encoded',
      description: 'points that name a tokenizer',
      options: encoded,
      useFactory: (context) =>
        points.useFactory!({ ...context, options: points.options.parse({}) }) as ReturnType<never>,
    }),
    defineComponent({
      interface: 'initializer',
      id: 'copied',
      description: 'names a checkpoint',
      options: z.strictObject({ path: pathOption() }),
      useFactory: (context) => random.useFactory!({ ...context, options: {} }) as ReturnType<never>,
    }),
  ],
});

const load = (sections: object, runs = join(scratch, 'runs')): ReturnType<typeof loadConfig> =>
  loadConfig({
    value: toyConfig(runs, sections as Record<string, unknown>),
    plugins: [toyPlugin, plugin],
    workingFolder: scratch,
  });
const file = (path: string): object => ({ use: 'file', path });
const copied = { use: 'copied', path: 'parameters' };

it.each<[string, object, Record<string, string>]>([
  [
    "the data's",
    { dataset: { use: 'encoded', tokenizer: file('data') }, initializer: copied },
    { 'tokenizer.json': 'data' },
  ],
  [
    "its file's folder's",
    { dataset: { use: 'encoded', tokenizer: file('parameters/tokenizer.json') } },
    { 'tokenizer.json': 'parameters', 'tokenizer_config.json': '{}' },
  ],
  [
    "that of the data's parts",
    { dataset: { use: 'encoded', parts: [{ dataset: { use: 'encoded', tokenizer: file('data') } }] } },
    { 'tokenizer.json': 'data' },
  ],
  [
    "the checkpoint's where the data name none",
    { initializer: copied },
    { 'tokenizer.json': 'parameters', 'tokenizer_config.json': '{}' },
  ],
  [
    'none where the data name one without files',
    { dataset: { use: 'encoded', tokenizer: 'plain' }, initializer: copied },
    {},
  ],
])('the tokenizer of a run is %s', async (_, sections, expected) => {
  const { config, registry } = await load(sections);
  const found = await findTokenizerFiles(config, registry, join(scratch, 'no-checkpoints'));
  const texts = Object.entries(found).map(([name, bytes]) => [name, Buffer.from(bytes).toString()]);
  expect(Object.fromEntries(texts)).toEqual(expected);
});

it('every checkpoint contains the tokenizer, and a resumed run keeps it when its source is gone', async () => {
  const source = join(scratch, 'moved');
  await mkdir(source);
  await writeFile(join(source, 'tokenizer.json'), 'kept');
  const train = { steps: 2, averageDecay: 0.9 };
  const sections = { train, dataset: { use: 'encoded', tokenizer: file('moved') } };
  const { folder } = await runExperiment(await load(sections));
  await rm(source, { recursive: true });
  await runExperiment(await load({ ...sections, train: { ...train, steps: 3 } }), { resume: true });
  for (const checkpoint of ['step-2', 'step-3', 'step-3/average'])
    expect(await readFile(join(folder, 'checkpoints', checkpoint, 'tokenizer.json'), 'utf8')).toBe('kept');
});
