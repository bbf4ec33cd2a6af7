import { DataError, type HostFields } from '@graft/core';
import fc from 'fast-check';
import { join } from 'node:path';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';
import { parseTemplate, textReader } from './template';

const tokenizer = new BytesTokenizer();
const folder = folderWith({
  'pairs.jsonl': `{"english": "a dog", "german": "ein Hund", "label": 3, "in": {"x": "deep"}, "w": [0, 1]}\n{"german": "ein"}\n`,
  'weights.jsonl': `{"q": "x", "a": "ab", "one": 0.5, "each": [0, 1], "all": [0, 1, 2], "bad": [1], "text": "no"}\n`,
});
const read = async (options: object, file = 'pairs.jsonl', count = 1): Promise<HostFields[]> =>
  take(
    await openDataset('jsonl', {
      files: join(folder, file),
      tokenizer: { use: 'bytes' },
      shuffle: false,
      repeat: false,
      ...options,
    }),
    count,
  );
const decoded = (items: readonly HostFields[], field: string): string[] =>
  lists(items, field).map((row) => tokenizer.decode(row, { keepSpecial: true }));

describe('templates', () => {
  it('a template gives the docstring example', async () => {
    const items = await read({ source: 'Translate to German: {english}', target: 'german' });
    expect(decoded(items, 'source')).toEqual(['Translate to German: a dog']);
    expect(decoded(items, 'target')).toEqual(['ein Hund<eos>']);
  });

  it('a template accepts numbers, nested keys, several keys, and braces', async () => {
    const [item] = decoded(await read({ text: '{in.x} {{{label}}} {english}{ german }' }), 'tokens');
    expect(item).toBe('deep {3} a dogein Hund<eos>');
  });

  it('numbers keep the digits of the file', async () => {
    const numbers = ['12345678901234567890', '9007199254740993', '1.0', '1e2', '0.10', '-0', '1E-7', '7'];
    const lines = numbers.map((number, i) => `{"id": ${number}, "deep": {"list": [true, ${number}]}, "text": "${i}"}`);
    const own = folderWith({ 'big.jsonl': lines.join('\n') });
    const options = { files: join(own, 'big.jsonl'), text: '{id} {deep.list.1} {deep.list.0}', appendEos: false };
    expect(decoded(await read(options, '', 99), 'tokens')).toEqual(numbers.map((number) => `${number} ${number} true`));
  });

  it('the error for a missing nested key reports what is there instead', () => {
    const row = { a: { b: [1, null], text: 'x' }, n: null };
    const problem = (key: string): string => {
      try {
        return textReader(`{${key}}`)(row);
      } catch (error) {
        return (error as Error).message.replace(/^.*, but /, '');
      }
    };
    expect(problem('a.b')).toBe('holds a list there');
    expect(problem('a.b.1')).toBe('holds null there');
    expect(problem('a.b.7')).toBe('"a.b" has only 0, 1');
    expect(problem('a.txt')).toBe('"a" has only b, text; did you mean "text"');
    expect(problem('a.text.x')).toBe('"a.text" holds a string');
    expect(problem('n.x.y')).toBe('"n" holds null');
    expect(problem('c.x')).toBe('has only a, n');
  });

  it('a text without braces is a key, and doubled braces stand for braces', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, value) => {
        const literal = text.replaceAll('{', '{{').replaceAll('}', '}}');
        expect(textReader(`${literal}{key}`)({ key: value })).toBe(text + value);
      }),
    );
    expect(textReader('a b')({ 'a b': 'c' })).toBe('c');
  });

  it('the error for a missing key names file, line and key', async () => {
    const wrong = read({ source: 'To German: {english}', target: 'german' }, 'pairs.jsonl', 5);
    await expect(wrong).rejects.toThrow(DataError);
    await expect(wrong).rejects.toThrow(
      'pairs.jsonl:2 should have a text under "english" for the template "To German: {english}", but has only german.',
    );
  });

  it.each([
    ['a {b', '"{" at character 3 is not closed'],
    ['a } b', '"}" at character 3 closes nothing'],
    ['{}', '"{}" at character 1 names no key'],
    ['{a{b}', '"{" at character 1 is not closed'],
  ])('the template %s is refused when the config is read', async (template, message) => {
    expect(() => parseTemplate(template)).toThrow(message);
    await expect(read({ text: template })).rejects.toThrow(message);
  });
});

describe('weights of rows', () => {
  const pairs = { source: 'q', target: 'a' };
  const weights = async (options: object): Promise<number[]> =>
    lists(await read(options, 'weights.jsonl'), 'weights')[0];

  it('weights are one number for all tokens or one for each, with or without the end of sequence', async () => {
    expect(await weights({ ...pairs, weights: 'one' })).toEqual([0.5, 0.5, 0.5]);
    expect(await weights({ ...pairs, weights: 'each' })).toEqual([0, 1, 1]);
    expect(await weights({ ...pairs, weights: 'all' })).toEqual([0, 1, 2]);
    expect(await weights({ weights: 'each', appendEos: false })).toEqual([0, 1]);
  });

  it('the error for wrong weights reports what is wrong', async () => {
    await expect(weights({ ...pairs, weights: 'bad' })).rejects.toThrow(
      'weights.jsonl:1 has 1 weights under "bad" for 2 tokens and an end of sequence.',
    );
    await expect(weights({ ...pairs, weights: 'q' })).rejects.toThrow('should have a number of at least 0');
    const packed = { ...pairs, pack: { sourceTokens: 4, targetTokens: 4 } };
    await expect(weights({ ...packed, weights: 'bad' })).rejects.toThrow('has 1 weights under "bad"');
    await expect(weights({ weights: 'one', lengthTokens: 4, pack: {} })).rejects.toThrow(
      'packed texts have no weights',
    );
    await expect(weights({ weights: 'one', lengthTokens: 4 })).rejects.toThrow('packed texts have no weights');
  });
});
