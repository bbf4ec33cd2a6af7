import { z } from 'zod';
import { BASE, named, PLUGIN } from '../../test/config-toys';
import { definePlugin } from '../components/plugin';
import { explainIssues } from './issues';
import { show } from '../util/show';
import { componentOption, InvalidConfigError, loadConfig } from './index';
import { keysAt } from './walk';

const explained = (schema: z.ZodType, value: unknown): string[] => {
  const parsed = schema.safeParse(value);
  const keys = (path: readonly PropertyKey[]): string[] => keysAt(schema, value, path, () => undefined);
  return explainIssues(parsed.error?.issues ?? [], value, keys).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );
};

const source = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('file'), path: z.string() }),
  z.strictObject({ kind: z.literal('web'), address: z.url() }),
]);

test.each<[z.ZodType, unknown, string]>([
  [z.number(), 'abc', ': expected number, got "abc"'],
  [z.number(), undefined, ': expected number, got nothing'],
  [z.number().int(), 0.5, ': expected whole number, got 0.5'],
  [z.number().min(0).max(1), 2, ': expected at most 1, got 2'],
  [z.number().positive(), 0, ': expected more than 0, got 0'],
  [z.number().multipleOf(8), 9, ': expected a multiple of 8, got 9'],
  [z.number(), Number.NaN, ': expected number, got NaN'],
  [z.string().min(3), 'ab', ': expected text of at least 3 characters, got "ab"'],
  [z.array(z.number()).min(1), [], ': expected at least 1 items, got []'],
  [z.tuple([z.number(), z.number()]), [1, 'x'], '1: expected number, got "x"'],
  [
    z.enum(['strict', 'inclusive']),
    'stric',
    ': expected one of "strict", "inclusive", got "stric"; did you mean "strict"?',
  ],
  [z.literal(3), 4, ': expected 3, got 4'],
  [z.string().regex(/^x/), 'y', ': expected text that matches /^x/, got "y"'],
  [z.url(), 'y', ': expected text in the form "url", got "y"'],
  [z.string().regex(/^x/, 'expected an x first'), 'y', ': expected an x first, got "y"'],
  [z.number().refine((n) => n !== 3, 'three is taken'), 3, ': three is taken'],
  [z.union([z.string(), z.array(z.string())]), 3, ': expected string or list, got 3'],
  [z.union([z.string(), z.array(z.string())]), ['a', 3], '1: expected string, got 3'],
  [z.union([z.number(), z.strictObject({ a: z.number() })]), { b: 1, a: 2 }, 'b: unknown key; known are a'],
  [source, { kind: 'fil', path: 'x' }, 'kind: expected one of "file", "web", got "fil"'],
  [source, { kind: 'web', addres: 'x' }, 'address: expected string, got nothing'],
  [z.record(z.string(), z.boolean()), { a: 'yes' }, 'a: expected boolean, got "yes"'],
])('schema %#: the value %j is explained in one clause', (schema, value, message) => {
  expect(explained(schema, value)[0]).toBe(message);
});

test('values are shown as JSON and shortened', () => {
  expect(show({ a: [1, null] })).toBe('{"a":[1,null]}');
  expect(show('x'.repeat(100))).toHaveLength(60);
  expect(show(undefined)).toBe('nothing');
  expect(show(() => 1)).toBe('a function');
});

const issuesWith = async (option: z.ZodType, value: object): Promise<unknown> => {
  const plugin = definePlugin({ name: 'more', components: [named('tracker', 'odd', option)] });
  return loadConfig({ value: { ...BASE, ...value }, plugins: [PLUGIN, plugin], workingFolder: '/w' }).then(
    ({ config }) => config,
    (error: unknown) => {
      expect(error).toBeInstanceOf(InvalidConfigError);
      expect(error).toMatchObject({ exitCode: 2, code: 'config.invalid' });
      return (error as InvalidConfigError).issues;
    },
  );
};

test('an issue has source, path, expected, got and nearest as data', async () => {
  expect(await issuesWith(z.strictObject({}), { train: { steps: 1, precision: 'bfloat' }, trakers: [] })).toEqual([
    {
      source: 'config',
      path: 'trakers',
      message: 'unknown key; did you mean "trackers"?',
      expected: expect.stringContaining('trackers') as string,
      nearest: 'trackers',
    },
    {
      source: 'config',
      path: 'train.precision',
      message: 'expected one of "float32", "bfloat16", got "bfloat"; did you mean "bfloat16"?',
      expected: 'one of "float32", "bfloat16"',
      got: '"bfloat"',
      nearest: 'bfloat16',
    },
  ]);
});

test('options that config.json cannot restore are rejected on load', async () => {
  const twice = z.strictObject({ n: z.number().transform((n) => n * 2) });
  expect(await issuesWith(twice, { trackers: [{ use: 'odd', n: 1 }] })).toMatchObject([
    { path: 'trackers.0', message: expect.stringContaining('change when they are read a second time') as string },
  ]);
  const pattern = z.strictObject({ pattern: z.any() });
  expect(await issuesWith(pattern, { trackers: [{ use: 'odd', pattern: /x/ }] })).toMatchObject([
    { path: 'trackers.0.pattern', message: expect.stringContaining('expected a value that JSON can hold') as string },
  ]);
});

test('a check that throws is reported as an issue', async () => {
  const throwing = z.strictObject({}).refine(() => {
    throw new TypeError('x is not a function');
  });
  expect(await issuesWith(throwing, { trackers: ['odd'] })).toMatchObject([
    { path: 'trackers.0', message: 'the options of "odd" cannot be checked: x is not a function' },
  ]);
  const text = z.strictObject({}).transform(() => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- a plugin may
    throw 'no luck';
  });
  expect(await issuesWith(text, { trackers: ['odd'] })).toMatchObject([
    { path: 'trackers.0', message: 'the options of "odd" cannot be checked: no luck' },
  ]);
  const waiting = z.strictObject({}).refine(async () => Promise.resolve(true));
  expect(await issuesWith(waiting, { trackers: ['odd'] })).toMatchObject([{ path: 'trackers.0' }]);
});

test('a default that names a missing component is reported at its path', async () => {
  const option = z.strictObject({ inner: componentOption('tokenizer').default({ use: 'byte' }) });
  expect(await issuesWith(option, { trackers: ['odd'] })).toMatchObject([
    { path: 'trackers.0.inner.use', nearest: 'bytes' },
  ]);
});

test('two evaluators of one name are reported', async () => {
  expect(await issuesWith(z.strictObject({}), { evaluators: ['count', { use: 'count' }] })).toMatchObject([
    { path: 'evaluators.1.name', message: expect.stringContaining('is what evaluators.0 is called already') as string },
  ]);
  expect(await issuesWith(z.strictObject({}), { evaluators: ['count', { use: 'count', name: 'b' }] })).toMatchObject({
    evaluators: [{ use: 'count' }, { use: 'count', name: 'b' }],
  });
});

test('an empty value counts as a missing key', async () => {
  expect(await issuesWith(z.strictObject({}), { trackers: null, seed: null })).toMatchObject({ trackers: [], seed: 0 });
});
