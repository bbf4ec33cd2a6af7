/** docs/troubleshooting.md explains every error code in the sources, and no other. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

interface FoundCode {
  readonly code: string;
  readonly places: readonly string[];
}

const found = JSON.parse(
  execFileSync(process.execPath, [join(ROOT, 'scripts', 'error-codes.mjs'), '--json'], { encoding: 'utf8' }),
) as readonly FoundCode[];
const page = readFileSync(join(ROOT, 'docs', 'troubleshooting.md'), 'utf8');
const entries = [...page.matchAll(/^- `([a-z]+\.[a-z0-9-]+)`: (.*(?:\n {2}.*)*)/gm)].map(([, code, text]) => ({
  code,
  text: text.replaceAll(/\s+/g, ' ').trim(),
}));
const codes = found.map(({ code }) => code);
const explained = entries.map(({ code }) => code);

test('every error code in the sources has an entry', () => {
  const missing = found.filter(({ code }) => !explained.includes(code));
  // `npm run docs:codes` adds entries to be written.
  expect(missing.map(({ code, places }) => `${code} (${places.join(', ')})`)).toEqual([]);
});

test('every entry explains an error code of the sources', () => {
  expect(explained.filter((code) => !codes.includes(code))).toEqual([]);
});

test('entries are sorted and unique', () => {
  expect(explained).toEqual([...new Set(explained)].sort());
});

test('every entry is an explanation that ends in a full stop', () => {
  const unwritten = entries.filter(({ text }) => text.includes('TODO') || text.length < 40 || !text.endsWith('.'));
  expect(unwritten).toEqual([]);
  expect(page).not.toContain('TODO');
});

test.each([
  ['a property', 'engine.library-missing'],
  ['an alternative of a condition', 'engine.out-of-memory'],
  ['a constant of the file', 'checkpoint.snapshot-mismatch'],
  ['an argument of a function that takes the code', 'random.thread'],
  ['an argument of a local function', 'plugin.interface'],
  ['the default of a parameter', 'inputs.field'],
  ['a property with another name', 'gemma.adapt-interrupted'],
  ['a field of a class', 'cli.usage'],
])('a code that is %s is found', (_, code) => {
  expect(codes).toContain(code);
});

test('names of files, keys of configs and codes of zod are not error codes', () => {
  expect(codes.filter((code) => /^(custom|config\.json|run\.json|train\.steps|tokenizer\.model)$/.test(code))).toEqual(
    [],
  );
});
