import fc from 'fast-check';
import { join } from 'node:path';
import { z } from 'zod';
import { named, PLUGIN } from '../../test/config-toys';
import { definePlugin } from '../components/plugin';
import { Registry } from '../components/registry';
import { Checker } from './check';
import { componentOption, loadConfig, pathOption } from './index';
import { mergeConfig, Origins, type ConfigTree } from './merge';
import { applyOverrides } from './overrides';

const checkerOf = (origins: Origins): Checker => {
  const registry = new Registry();
  registry.register(PLUGIN, 'here');
  return new Checker(registry, origins, '/cwd');
};

/** What `schema` makes of a value written in /file/c.yaml. */
const place = (schema: z.ZodType, value: unknown): unknown => {
  const origins = new Origins();
  origins.set('x', { folder: '/file', source: '/file/c.yaml' });
  const checker = checkerOf(origins);
  const placed = checker.plain(schema, value, 'x');
  expect(checker.issues).toEqual([]);
  return placed;
};

test.each<[string, z.ZodType, unknown, unknown]>([
  ['optional', z.strictObject({ a: pathOption().optional() }), { a: 'p' }, { a: '/file/p' }],
  ['nullable', pathOption().nullable(), 'p', '/file/p'],
  ['name of a model', pathOption(), 'model:smollm2-135m-instruct', 'model:smollm2-135m-instruct'],
  ['described and refined', pathOption().describe('d').min(1).endsWith('p'), 'p', '/file/p'],
  ['list', z.array(pathOption()), ['p', '/q'], ['/file/p', '/q']],
  ['tuple', z.tuple([z.string(), pathOption()], pathOption()), ['p', 'q', 'r'], ['p', '/file/q', '/file/r']],
  ['record', z.record(z.string(), pathOption()), { a: 'p', 'b.c': 'q' }, { a: '/file/p', 'b.c': '/file/q' }],
  ['other keys', z.looseObject({ a: z.string() }).catchall(pathOption()), { a: 'p', b: 'q' }, { a: 'p', b: '/file/q' }],
  ['union with a word', z.union([z.literal('none'), pathOption()]), 'none', 'none'],
  ['union with lists', z.union([pathOption(), z.array(pathOption())]), ['p'], ['/file/p']],
  [
    'discriminated union',
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('text'), at: z.string() }),
      z.strictObject({ kind: z.literal('file'), at: pathOption() }),
    ]),
    { kind: 'text', at: 'p' },
    { kind: 'text', at: 'p' },
  ],
  ['lazy', z.lazy(() => pathOption()), 'p', '/file/p'],
  [
    'intersection',
    z.intersection(z.object({ a: pathOption() }), z.object({ b: pathOption() })),
    { a: 'p', b: 'q' },
    { a: '/file/p', b: '/file/q' },
  ],
  ['transformed', pathOption().transform((path) => [path]), 'p', ['/file/p']],
  ['preprocessed', z.preprocess((value) => value, pathOption()), 'p', '/file/p'],
  ['default', z.strictObject({ a: pathOption().default('p') }), {}, { a: '/cwd/p' }],
  ['default that is overridden', z.strictObject({ a: pathOption().default('p') }), { a: 'q' }, { a: '/file/q' }],
  ['a nested component', componentOption('tokenizer'), { use: 'file', path: 'p' }, { use: 'file', path: '/file/p' }],
  [
    'components in a list',
    z.array(componentOption('tokenizer')),
    ['bytes', { use: 'file', path: 'p' }],
    [{ use: 'bytes' }, { use: 'file', path: '/file/p' }],
  ],
  [
    'a component that is a default, and its own defaults',
    z.strictObject({ inner: componentOption('dataset').default({ use: 'lines', files: 'p' }) }),
    {},
    { inner: { use: 'lines', files: '/cwd/p', tokenizer: { use: 'bytes' } } },
  ],
  ['no path', z.string(), 'p', 'p'],
])('a path option resolves in the schema: %s', (_, schema, value, expected) => {
  expect(place(schema, value)).toEqual(expected);
});

test('each path resolves against the file that set it last, whatever else was merged', () => {
  const schema = z.object({
    a: pathOption().optional(),
    b: z.object({ c: pathOption().optional(), d: z.object({ e: pathOption() }).partial().optional() }).optional(),
    list: z.array(pathOption()).optional(),
    map: z.record(z.string(), pathOption()).optional(),
  });
  const name = fc.constantFrom('p', 'q/r', './s', '../t');
  const tree = fc.record(
    {
      a: name,
      b: fc.record({ c: name, d: fc.record({ e: name }, { requiredKeys: [] }) }, { requiredKeys: [] }),
      list: fc.array(name, { maxLength: 2 }),
      map: fc.dictionary(fc.constantFrom('x', 'y'), name),
    },
    { requiredKeys: [] },
  );
  const set = fc.tuple(fc.constantFrom('a', 'b.c', 'b.d.e', 'map.x', 'map.z'), name);
  const leaves = (value: unknown, at: string[] = []): [string, string][] =>
    typeof value === 'string'
      ? [[at.join('.'), value]]
      : Object.entries(value as object).flatMap(([key, inner]) => leaves(inner, [...at, key]));

  fc.assert(
    fc.property(fc.array(tree, { minLength: 1, maxLength: 4 }), fc.array(set, { maxLength: 3 }), (layers, sets) => {
      const origins = new Origins();
      const config: ConfigTree = { root: {} };
      const expected = new Map<string, string>();
      layers.forEach((layer, i) => {
        mergeConfig(config, { root: layer }, { folder: `/layer${i}`, source: `${i}` }, origins);
        if (layer.list) for (const key of [...expected.keys()]) if (key.startsWith('list')) expected.delete(key);
        for (const [key, value] of leaves(layer)) expected.set(key, join(`/layer${i}`, value));
      });
      const texts = sets.map(([key, value]) => `root.${key}=${value}`);
      applyOverrides(config, texts, { folder: '/cwd', source: '--set' }, origins);
      for (const [key, value] of sets) expected.set(key, join('/cwd', value));

      const placed = checkerOf(origins).plain(schema, config.root, 'root');
      expect(Object.fromEntries(leaves(placed))).toEqual(Object.fromEntries(expected));
    }),
  );
});

test("a component's default path resolves against the working folder, even if a file names the component", async () => {
  const plugin = definePlugin({
    name: 'more',
    components: [named('tracker', 'log', z.strictObject({ folder: pathOption().default('logs') }))],
  });
  const value = {
    name: 'x',
    initializer: 'zeros',
    objective: 'squares',
    dataset: { use: 'lines', files: 'f' },
    optimizer: 'sgd',
    trackers: ['log', { use: 'log', folder: 'mine' }],
    train: { steps: 1 },
  };
  const { config } = await loadConfig({ value, plugins: [PLUGIN, plugin], workingFolder: '/cwd' });
  expect(config.trackers).toEqual([
    { use: 'log', folder: '/cwd/logs' },
    { use: 'log', folder: '/cwd/mine' },
  ]);
});
