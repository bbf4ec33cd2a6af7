import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { temporaryFolder } from '@graft/test-support';
import { BASE, named, PLUGIN } from '../../test/config-toys';
import { loadConfig, type ExperimentConfig } from './index';
import { mergeConfig, Origins, type ConfigTree } from './merge';

test('merging combines objects key by key and replaces everything else by the later value', () => {
  const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.array(fc.integer(), { maxLength: 2 }));
  const key = fc.constantFrom('a', 'b', 'c');
  const { tree } = fc.letrec<{ tree: Record<string, unknown> }>((tie) => ({
    tree: fc.dictionary(key, fc.oneof({ depthSize: 'small' }, leaf, tie('tree'))),
  }));
  const isTree = (value: unknown): value is ConfigTree =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const expected = (a: unknown, b: unknown): unknown => {
    if (!isTree(a) || !isTree(b)) return b;
    const result: ConfigTree = { ...a };
    for (const [k, v] of Object.entries(b)) result[k] = Object.hasOwn(a, k) ? expected(a[k], v) : v;
    return result;
  };
  fc.assert(
    fc.property(tree, tree, (a, b) => {
      const target = structuredClone(a);
      mergeConfig(target, b, { folder: '/', source: 's' }, new Origins());
      expect(target).toEqual(expected(a, b));
    }),
  );
});

const merged = (...layers: ConfigTree[]): ConfigTree => {
  const target: ConfigTree = {};
  for (const layer of layers) mergeConfig(target, layer, { folder: '/', source: 's' }, new Origins());
  return target;
};

test('naming another component replaces the old options, and naming the same one or none keeps them', () => {
  const base = { optimizer: { use: 'adamw', betas: [0, 1] } };
  expect(merged(base, { optimizer: { use: 'sgd', rate: 1 } })).toEqual({ optimizer: { use: 'sgd', rate: 1 } });
  expect(merged(base, { optimizer: 'sgd' })).toEqual({ optimizer: { use: 'sgd' } });
  expect(merged(base, { optimizer: { use: 'adamw', rate: 1 } })).toEqual({
    optimizer: { use: 'adamw', betas: [0, 1], rate: 1 },
  });
  expect(merged(base, { optimizer: 'adamw' })).toEqual(base);
  expect(merged({ model: { width: 3 } }, { model: { use: 'toy' } })).toEqual({ model: { width: 3, use: 'toy' } });
  expect(merged({ dataset: { tokenizer: 'file' } }, { dataset: { tokenizer: { path: 'x' } } })).toEqual({
    dataset: { tokenizer: { use: 'file', path: 'x' } },
  });
});

test('a tokenizer for each side and one for both replace each other', () => {
  const one = { tokenizer: { use: 'file', path: 'x' } };
  const two = { tokenizer: { encoder: { use: 'file', path: 'a' }, decoder: 'bytes' } };
  expect(merged(one, two)).toEqual(two);
  expect(merged({ tokenizer: 'bytes' }, two)).toEqual(two);
  expect(merged(two, one)).toEqual(one);
  expect(merged(two, { tokenizer: 'bytes' })).toEqual({ tokenizer: 'bytes' });
  expect(merged(two, { tokenizer: { encoder: { path: 'b' } } })).toEqual({
    tokenizer: { encoder: { use: 'file', path: 'b' }, decoder: 'bytes' },
  });
});

test.each([
  ['adamw', { use: 'adamw', a: 1 }],
  ['auto', { a: 1 }],
  ['<unused*>', { a: 1 }],
])(
  'merging an object over the word "%s" gives %j: a component gets options, and other words are replaced',
  (word, expected) => {
    const target: ConfigTree = { at: word };
    mergeConfig(target, { at: { a: 1 } }, { folder: '/', source: 's' }, new Origins());
    expect(target).toEqual({ at: expected });
  },
);

test('merging neither changes nor shares its sources', () => {
  const source = { a: { b: [1, { c: 2 }] } };
  const target = merged(source);
  (target.a as { b: unknown[] }).b.push(3);
  expect(source).toEqual({ a: { b: [1, { c: 2 }] } });
  const instance = new Map();
  expect(merged({ a: instance }).a).toBe(instance);
});

test('a key that would reach a prototype is rejected', () => {
  expect(() => merged(JSON.parse('{ "a": { "__proto__": { "x": 1 } } }') as ConfigTree)).toThrow(
    's: a.__proto__: no key may be called "__proto__".',
  );
});

test('null in a file removes an inherited key unless the schema accepts null', async () => {
  const initializer = named(
    'initializer',
    'caps',
    z.strictObject({ cap: z.number().nullable().default(30), std: z.number().optional() }),
  );
  const plugin = { ...PLUGIN, components: [...PLUGIN.components, initializer] };
  const folder = temporaryFolder();
  const base = {
    ...BASE,
    initializer: { use: 'caps', cap: 1, std: 2 },
    dataset: { use: 'lines', files: 'x', tokenizer: 'bytes' },
  };
  writeFileSync(join(folder, 'base.json'), JSON.stringify(base));
  const load = async (text: string): Promise<ExperimentConfig> => {
    writeFileSync(join(folder, 'own.yaml'), `extends: base.json\n${text}`);
    return (await loadConfig({ file: join(folder, 'own.yaml'), plugins: [plugin] })).config;
  };
  const config = await load('initializer: { cap: null, std: null }\ndataset: { tokenizer: null }\n');
  expect(config.initializer).toEqual({ use: 'caps', cap: null });
  expect(config.dataset.tokenizer).toEqual({ use: 'bytes' });
  await expect(load('dataset: { files: null }\n')).rejects.toThrow('own.yaml: dataset.files: expected');
  await expect(load('train: { averageDecay: null }\n')).rejects.toThrow('expected number, got null');
});
