import { openEngine } from '@graft/engine';
import { failureOf } from '@graft/test-support';
import { averageCheckpoints, readTokenizerRecord } from '@graft/checkpoint';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { componentOption, loadConfig, pathOption } from '../config';
import { createComponentFactory } from '../components/factory';
import { defineComponent, definePlugin } from '../components/plugin';
import type { Registry } from '../components/registry';
import type { ComponentFactory, Tokenizer } from '../interfaces';
import { createRandom } from '../random/streams';
import { createLogger } from '../util/logger';
import { runExperiment } from './experiment';
import { findTokenizerFiles, findTokenizerFolders } from './tokenizer-files';

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
const tokenizer = (files?: Tokenizer['files']): Tokenizer => ({
  ...{ vocabularySize: 3, padId: 0, eosId: 1, bosId: 2, files },
  encode: () => new Int32Array(),
  decode: () => '',
});
const plugin = definePlugin({
  name: 'tokens',
  components: [
    defineComponent({
      interface: 'tokenizer',
      id: 'file',
      description: 'from a file',
      options: z.strictObject({ path: pathOption() }),
      useFactory: () => tokenizer(),
    }),
    defineComponent({
      interface: 'tokenizer',
      id: 'pair',
      description: 'for two sides',
      options: z.strictObject({ encoder: componentOption('tokenizer'), decoder: componentOption('tokenizer') }),
      impliedBy: ['encoder', 'decoder'],
      useFactory: () => ({ ...tokenizer(), encoderSide: tokenizer() }),
    }),
    defineComponent({
      interface: 'tokenizer',
      id: 'words',
      description: 'names its files itself',
      options: z.strictObject({ files: z.record(z.string(), z.any()).optional() }),
      useFactory: ({ options: { files } }) =>
        tokenizer(() =>
          files ? Promise.resolve(files as Record<string, string>) : Promise.reject(new Error('they are gone')),
        ),
    }),
    defineComponent({
      interface: 'tokenizer',
      id: 'plain',
      description: 'without files',
      options: z.strictObject({}),
      useFactory: () => tokenizer(),
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
      id: 'joined',
      description: 'names two checkpoints',
      options: z.strictObject({ encoder: pathOption(), decoder: pathOption().optional() }),
      useFactory: (context) => random.useFactory!({ ...context, options: {} }) as ReturnType<never>,
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
const factoryOf = async (registry: Registry): Promise<ComponentFactory> =>
  createComponentFactory(registry, {
    engine: await openEngine({ mode: 'portable' }),
    random: createRandom(0),
    logger: createLogger({ level: 'silent' }),
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
  const components = await factoryOf(registry);
  const found = await findTokenizerFiles(config, { registry, components }, join(scratch, 'no-checkpoints'));
  const texts = Object.entries(found.files).map(([name, bytes]) => [name, Buffer.from(bytes).toString()]);
  expect(Object.fromEntries(texts)).toEqual(expected);
  expect(found.record).toBeUndefined();
});

describe('a tokenizer for each side', () => {
  const textsOf = ({ files }: Awaited<ReturnType<typeof findTokenizerFiles>>): Record<string, string> =>
    Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, Buffer.from(bytes).toString()]));
  const both = { 'tokenizer.json': 'data', 'encoder_tokenizer/tokenizer.json': 'parameters' };
  const find = async (sections: object): ReturnType<typeof findTokenizerFiles> => {
    const { config, registry } = await load(sections);
    const components = await factoryOf(registry);
    return findTokenizerFiles(config, { registry, components }, join(scratch, 'no-checkpoints'));
  };

  it("is kept: the decoder's under its own names, the encoder's in a folder", async () => {
    const named = { encoder: file('parameters'), decoder: file('data') };
    const found = await find({ dataset: { use: 'encoded', tokenizer: named } });
    expect(textsOf(found)).toEqual({ ...both, 'encoder_tokenizer/tokenizer_config.json': '{}' });
    expect([found.record, found.encoderRecord]).toEqual([undefined, undefined]);
  });

  it('is recorded where no file says which it is', async () => {
    const words = { use: 'words', files: { 'words.txt': 'a' } };
    const found = await find({ dataset: { use: 'encoded', tokenizer: { encoder: 'plain', decoder: words } } });
    expect(textsOf(found)).toEqual({ 'words.txt': 'a' });
    expect(found.record).toEqual({ use: 'tokens/words', files: ['words.txt'] });
    expect(found.encoderRecord).toEqual({ use: 'tokens/plain', files: [] });
  });

  it("is that of the initializer's two checkpoints where the data name none and the two differ", async () => {
    const joined = (decoder?: string): object => ({
      initializer: { use: 'joined', encoder: 'parameters', ...(decoder && { decoder }) },
    });
    expect(textsOf(await find(joined('data')))).toMatchObject(both);
    expect(Object.keys(textsOf(await find(joined())))).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    const { config, registry } = await load(joined('data'));
    expect(await findTokenizerFolders(config, registry)).toEqual({
      decoder: join(scratch, 'data'),
      encoder: join(scratch, 'parameters'),
    });
  });

  it('is refused for a dataset that takes one', async () => {
    const named = { encoder: file('parameters'), decoder: file('data') };
    const loaded = await load({ dataset: { use: 'encoded', tokenizer: named } }, join(scratch, 'unaware'));
    const { message } = await failureOf(runExperiment(loaded));
    expect(message).toContain('The dataset "encoded" takes one tokenizer, but got one for each side.');
  });
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

describe('a tokenizer that names its files', () => {
  const words = (files?: object): object => ({ dataset: { use: 'encoded', tokenizer: { use: 'words', files } } });

  it('every checkpoint contains them, and graft.json says whose they are, also after a resume and in an average', async () => {
    const runs = join(scratch, 'named');
    const train = { steps: 2 };
    const files = { 'words.txt': 'a b', 'tokenizer_config.json': '{}' };
    const { folder } = await runExperiment(await load({ ...words(files), train }, runs));
    const sections = { ...words({ 'other.txt': 'not this one' }), train: { steps: 3 } };
    const loaded = await load(sections, runs);
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ ...loaded.config, train: { ...loaded.config.train, steps: 2 } }),
    );
    await runExperiment(loaded, { resume: true });
    const mean = join(scratch, 'mean');
    await averageCheckpoints(
      [2, 3].map((step) => join(folder, 'checkpoints', `step-${step}`)),
      mean,
    );
    for (const checkpoint of [...['step-2', 'step-3'].map((name) => join(folder, 'checkpoints', name)), mean]) {
      expect(await readFile(join(checkpoint, 'words.txt'), 'utf8')).toBe('a b');
      expect(await readFile(join(checkpoint, 'tokenizer_config.json'), 'utf8')).toBe('{}');
      expect(await readTokenizerRecord(checkpoint)).toEqual({
        use: 'tokens/words',
        files: ['words.txt', 'tokenizer_config.json'],
      });
      expect(await readdir(checkpoint)).not.toContain('other.txt');
    }
  });

  it.each<[string, object | undefined, string]>([
    ['throws', undefined, 'files failed: they are gone'],
    [
      'returns a number',
      { 'words.txt': 3 },
      'files returned a number for "words.txt"; expected a text or a Uint8Array',
    ],
    ...['config.json', 'model-00001.safetensors', 'graft.json', '../words.txt', 'a/b', '.hidden', 'MANIFEST.json'].map(
      (name): [string, object, string] => [
        `names ${name}`,
        { [name]: 'x' },
        `files returned a file "${name}"; expected names without a folder that no file of a checkpoint's own has`,
      ],
    ),
  ])('is named in the error if it %s', async (_, files, message) => {
    const { config, registry } = await load(words(files));
    const components = await factoryOf(registry);
    const given = { registry, components };
    const error = await failureOf(findTokenizerFiles(config, given, join(scratch, 'no-checkpoints')));
    expect(error.message).toContain(`tokenizer "tokens/words": ${message}`);
    expect(error).toMatchObject({ name: 'PluginError' });
  });
});
