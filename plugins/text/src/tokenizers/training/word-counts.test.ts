import { DataError } from '@graft/core';
import fc from 'fast-check';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { folderWith } from '../../../test-support/datasets';
import { findFiles } from '../../files/find-files';
import { countWords, WordCounts } from './word-counts';

const count = (text: string, special: string[] = []): Record<string, number> => {
  const counts = new WordCounts(special);
  counts.add(text);
  return Object.fromEntries(counts.words());
};

it('spaces belong to the word after them, signs are separate from letters, and digits are single', () => {
  expect(count('The  cat,  the cat\n\n x=12 ')).toEqual({
    ...{ The: 1, '▁▁cat': 1, ',': 1, '▁▁the': 1, '▁cat': 1, '\n\n': 1, '▁x': 1, '=': 1, 1: 1, 2: 1, '▁': 1 },
  });
  expect(count('a▁b a b')).toEqual({ a: 1, '▁b': 2, '▁a': 1 });
});

it('the spelling of special tokens is not counted', () => {
  expect(count('x<a>y<a>b>', ['<a>', '<a>b>'])).toEqual({ x: 1, y: 1 });
});

const unit = fc.constantFrom(
  ' ',
  '▁',
  '\n',
  '\r',
  '\t',
  'a',
  'é',
  '漢',
  '1',
  '²',
  '.',
  '—',
  '😀',
  '\u0301',
  '\ufeff',
  'z',
);
const text = fc.string({ unit, maxLength: 40 });

it('no character is lost', () => {
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: 'binary', maxLength: 40 })), (some) => {
      const total = Object.entries(count(some)).reduce((sum, [word, times]) => sum + word.length * times, 0);
      expect(total).toBe(some.length);
    }),
  );
});

it('a cut between two characters depends only on these two', () => {
  // The number of words.
  const words = (some: string): number => Object.values(count(some)).reduce((sum, times) => sum + times, 0);
  fc.assert(
    fc.property(text, (some) => {
      const characters = Array.from(some);
      const cuts = characters.slice(1).filter((character, i) => words(characters[i] + character) === 2).length;
      expect(words(some)).toBe(some === '' ? 0 : cuts + 1);
    }),
    { numRuns: 500 },
  );
});

describe('countWords', () => {
  // Several chunks of a stream, cut within words, characters and runs of newlines.
  const parts = ['the ', 'naïve', '  漢字', '\n', '\n\n', '😀', 'x', ', ', '\r\n'];
  let state = 1;
  const long = Array.from({ length: 200_000 }, () => {
    state = (state * 48271) % 0x7fffffff;
    return parts[state % parts.length];
  }).join('');
  const files = { 'a.txt': long, 'b.txt.gz': gzipSync(long), 'c.txt': 'é'.repeat(1_200_000), 'empty.txt': '' };
  const folder = folderWith(files);

  const read = async (name: string, counts = new WordCounts(['<a>'])): Promise<WordCounts> => {
    await countWords(await findFiles(join(folder, name)), counts);
    return counts;
  };

  it('a stream is counted like the whole text, compressed or not', async () => {
    const whole = new WordCounts(['<a>']);
    whole.add(long);
    for (const name of ['a.txt', 'b.txt.gz']) {
      const streamed = await read(name);
      expect(streamed.characters).toBe(long.length);
      expect(streamed.words()).toEqual(whole.words());
    }
    expect((await read('empty.txt')).words().size).toBe(0);
  });

  it('a text without word boundaries is counted in pieces', async () => {
    const words = (await read('c.txt')).words();
    expect([...words].reduce((sum, [word, times]) => sum + word.length * times, 0)).toBe(1_200_000);
    expect(Math.max(...[...words.keys()].map((word) => word.length))).toBe(64);
  });

  it('progress is reported in bytes', async () => {
    const all = await findFiles([join(folder, 'a.txt'), join(folder, 'b.txt.gz')]);
    const done: number[] = [];
    await countWords(all, new WordCounts(), (bytes) => done.push(bytes));
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(all.reduce((sum, { size }) => sum + size, 0));
  });

  it('rare words are dropped if there are too many', async () => {
    const counts = new WordCounts([], 1000);
    for (let i = 0; i < 3000; i++) counts.add(`often ${String.fromCodePoint(0x4e00 + i)}`);
    expect(counts.words().size).toBeLessThanOrEqual(1000);
    expect(counts.dropped).toBeGreaterThan(1000);
    expect(counts.words().get('often')).toBe(3000);
  });

  it('the error names a file that is not gzip, is truncated, or is not UTF-8', async () => {
    const latin = Buffer.from(`${'é'.repeat(300_001)}caf\xe9`, 'latin1');
    const utf8 = Buffer.concat([Buffer.from('é'.repeat(300_001)), Buffer.from('caf\xe9', 'latin1')]);
    const broken = folderWith({
      'x.gz': 'plain',
      'y.gz': gzipSync(long).subarray(0, 1000),
      'latin.txt': latin,
      'end.txt.gz': gzipSync(utf8),
    });
    for (const [name, problem] of [
      ['x.gz', 'is called .gz, but does not begin as gzip data do'],
      ['y.gz', 'cannot be read: its gzip data end too early'],
      ['latin.txt', 'is not UTF-8: byte 0xe9 at offset 0'],
      ['end.txt.gz', 'is not UTF-8: byte 0xe9 at offset 600005'],
    ]) {
      const counting = countWords(await findFiles(join(broken, name)), new WordCounts());
      await expect(counting).rejects.toThrow(DataError);
      await expect(counting).rejects.toThrow(`${join(broken, name)} ${problem}`);
    }
  });

  it('text that is not UTF-8 is refused, and U+FEFF is kept', async () => {
    const odd = folderWith({
      'a.txt': Buffer.from('na\xefve', 'latin1'),
      'b.txt': Buffer.from([0x61, 0xc3]),
      'c.txt': '\ufeffab',
    });
    for (const name of ['a.txt', 'b.txt'])
      await expect(countWords(await findFiles(join(odd, name)), new WordCounts())).rejects.toThrow('is not UTF-8');
    const counts = new WordCounts();
    await countWords(await findFiles(join(odd, 'c.txt')), counts);
    expect([...counts.words().keys()]).toEqual(['\ufeff', 'ab']);
  });
});
