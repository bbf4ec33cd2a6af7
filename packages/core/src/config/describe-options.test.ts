import { z } from 'zod';
import { describeOptions, describeSections } from './describe-options';
import { componentOption, pathOption, secret } from './options';

const lines = (schema: z.ZodType): string[] =>
  describeOptions(schema).map(({ path, type, range, required, default: value }) =>
    [path, type, range ?? '', required ? 'required' : JSON.stringify(value)].join(' / '),
  );

test('options are described with type, range and default', () => {
  const schema = z.strictObject({
    count: z.int().positive().max(9),
    rate: z.number().min(0).lt(1).default(0.5),
    kind: z.enum(['a', 'b']).default('a'),
    betas: z.tuple([z.number(), z.number()]).default([0.9, 0.99]),
    width: z.int().multipleOf(2).optional(),
    cap: z.number().nullable().optional(),
    words: z.array(z.string()).min(1).default(['x']),
    on: z.boolean().default(true),
  });
  expect(lines(schema)).toEqual([
    'count / whole number / more than 0, at most 9 / required',
    'rate / number / at least 0, less than 1 / 0.5',
    'kind / a | b /  / "a"',
    'betas / [number, number] /  / [0.9,0.99]',
    'width / whole number / a multiple of 2 / ',
    'cap / number | null /  / ',
    'words / list of texts / at least 1 item / ["x"]',
    'on / true | false /  / true',
  ]);
});

test('options within objects, lists, records and alternatives have paths', () => {
  const inner = z.strictObject({ a: z.number() });
  const schema = z.strictObject({
    one: inner,
    several: z.array(inner).default([]),
    named: z.record(z.string(), inner),
    either: z.union([z.literal('auto'), inner]).default('auto'),
  });
  expect(lines(schema).filter((line) => line.includes('a / number'))).toEqual([
    'one.a / number /  / required',
    'several[].a / number /  / required',
    'named.*.a / number /  / required',
    'either.a / number /  / required',
  ]);
});

test('paths, components and secrets are named as such, and no secret is shown', () => {
  const schema = z.strictObject({
    folder: pathOption().default('runs'),
    files: z.array(pathOption()),
    tokenizer: componentOption('tokenizer').default({ use: 'bytes' }),
    token: secret().default('canary' as never),
  });
  expect(lines(schema)).toEqual([
    'folder / path /  / "runs"',
    'files / list of paths /  / required',
    'tokenizer / tokenizer /  / {"use":"bytes"}',
    'token / secret /  / "***"',
  ]);
});

test('a clause becomes a sentence, and a value at its beginning keeps its case', () => {
  const schema = z.strictObject({
    a: z.number().describe('steps in all'),
    b: z.number().describe('`auto`: what is best.'),
    c: z.number(),
  });
  expect(describeOptions(schema).map(({ description }) => description)).toEqual([
    'Steps in all.',
    '`auto`: what is best.',
    '',
  ]);
});

test("every key of core's sections has a sentence", () => {
  for (const [section, options] of describeSections())
    expect(options.filter(({ description }) => description === '').map(({ path }) => `${section}.${path}`)).toEqual([]);
});
