import { CheckpointError, DataError, UsageError } from '@graft/core';
import fc from 'fast-check';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { folderWith, openDataset, take } from '../../../test-support/datasets';
import { HuggingFaceTokenizer } from '../huggingface';
import { chooseAlphabet, trainTokenizer, type TrainTokenizerProgress } from './train-tokenizer';

const SENTENCES = ['The quick brown fox jumps over', 'the lazy dog, that sleeps', 'under 12 old trees: déjà vu!'];
const text = Array.from({ length: 300 }, (_, i) => `${SENTENCES[i % 3]} ${SENTENCES[(i * i) % 3]}\n`).join('');
const data = folderWith({
  'a.txt': text,
  'b.txt': 'Quite another text.\n\n漢\n',
  'c.txt.gz': gzipSync(text),
});
const files = [join(data, 'a.txt'), join(data, 'b.txt')];
const out = (name: string): string => join(data, name);

interface Written {
  added_tokens: { id: number; content: string; special: boolean }[];
  model: { vocab: Record<string, number>; merges: string[] };
}
const written = (folder: string): Written =>
  JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as Written;

describe('trainTokenizer', () => {
  let tokenizer: HuggingFaceTokenizer;
  const progress: TrainTokenizerProgress[] = [];
  beforeAll(async () => {
    const onProgress = (now: TrainTokenizerProgress): void => void progress.push(now);
    const report = await trainTokenizer(out('trained'), { files, vocabularySize: 340, onProgress });
    expect(report).toMatchObject({ files: 2, vocabularySize: 340, droppedWordKinds: 0 });
    tokenizer = await HuggingFaceTokenizer.open({ path: out('trained') });
  });

  it('writes a vocabulary of the size asked for, ids without holes, special tokens where Gemma has them', () => {
    const { added_tokens: added, model } = written(out('trained'));
    expect(Object.values(model.vocab).sort((a, b) => a - b)).toEqual(Array.from({ length: 340 }, (_, id) => id));
    expect(added.map(({ content }) => content)).toEqual([
      ...['<pad>', '<eos>', '<bos>', '<unk>', '<mask>', '<2mass>', '[@BOS@]', '<start_of_turn>', '<end_of_turn>'],
    ]);
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.bosId, tokenizer.vocabularySize]).toEqual([0, 1, 2, 340]);
    expect(readdirSync(out('trained')).sort()).toEqual(['tokenizer.json', 'tokenizer_config.json']);
  });

  it('has learnt the words of the text', () => {
    const pieces = (some: string): (string | undefined)[] =>
      Array.from(tokenizer.encode(some), (id) => tokenizer.piece(id));
    expect(pieces('The lazy dog, 12')).toEqual(['The', '▁lazy', '▁dog', ',', '▁', '1', '2']);
    expect(pieces('z\nы')).toEqual(['z', '\n', '<0xD1>', '<0x8B>']);
  });

  it('gives back any text', () => {
    const some = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .array(fc.constantFrom(' ', '  ', '\n', '\t', '\r\n', 'the', 'dog', '\ufeff', '漢', '😀', '<0x41>', '<', '12'))
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(some, (original) => {
        // The one character that is lost: it stands for the space.
        const expected = original.replaceAll('▁', ' ');
        expect(tokenizer.decode(tokenizer.encode(original), { keepSpecial: true })).toBe(expected);
      }),
      { numRuns: 500, examples: [['▁'], ['\ufeff\ufeffa\ufeff'], ['\n'], ['   '], ['']] },
    );
  });

  it('keeps turns apart', () => {
    const ids = Array.from(tokenizer.encode('<start_of_turn>user\nthe dog<end_of_turn>\n'));
    expect([ids[0], ids.at(-2)]).toEqual([7, 8]);
    expect(tokenizer.decode(ids)).toBe('user\nthe dog\n');
  });

  it('tells how far it is', () => {
    const merging = progress.filter(({ phase }) => phase === 'merging');
    expect(progress[0]).toMatchObject({
      phase: 'reading',
      total: files.reduce((sum, file) => sum + statSync(file).size, 0),
    });
    expect(merging.every(({ done, total }) => done <= total && total === 340)).toBe(true);
    expect(merging.at(-1)).toEqual({ phase: 'merging', done: 340, total: 340 });
  });

  it('gives the same files for the same text, in whatever files and order, packed or not', async () => {
    const train = async (name: string, some: string[]): Promise<string[]> => {
      await trainTokenizer(out(name), { files: some, vocabularySize: 320 });
      return ['tokenizer.json', 'tokenizer_config.json'].map((file) => readFileSync(join(out(name), file), 'utf8'));
    };
    const first = await train('first', files);
    expect(await train('second', [...files].reverse())).toEqual(first);
    expect(await train('third', [join(data, 'c.txt.gz'), files[1]])).toEqual(first);
  });

  it("reserves unused tokens; with 99 every special token has Gemma's id", async () => {
    await trainTokenizer(out('unused'), { files, vocabularySize: 420, unusedTokens: 99 });
    const { vocab } = written(out('unused')).model;
    expect([vocab['<unused0>'], vocab['<unused98>']]).toEqual([7, 105]);
    expect([vocab['<start_of_turn>'], vocab['<end_of_turn>']]).toEqual([106, 107]);
    const unused = await HuggingFaceTokenizer.open({ path: out('unused') });
    expect(Array.from(unused.encode('<unused0>'))).toEqual([7]);
    // A sentinel is not a special token: whoever reads UL2's output wants to see it.
    expect(unused.decode([7, 1])).toBe('<unused0>');
  });

  it('says when there was nothing more to merge', async () => {
    const report = await trainTokenizer(out('small'), { files: files[1], vocabularySize: 5000, minFrequency: 2 });
    expect(report.vocabularySize).toBeLessThan(300);
    expect(written(out('small')).model.merges).toHaveLength(report.merges);
  });

  it('serves a data set', async () => {
    const tokenizer = { use: 'huggingface', path: out('trained') };
    const dataset = await openDataset('text', { files, tokenizer, lengthTokens: 16, shuffle: false });
    const [{ tokens }] = await take(dataset, 1);
    expect(tokens.shape).toEqual([16]);
    const opened = await HuggingFaceTokenizer.open(tokenizer);
    expect(text.startsWith(opened.decode(tokens.values as Int32Array))).toBe(true);
  });

  it.each<[string, object, string]>([
    ['too small a vocabulary', { vocabularySize: 265 }, '9 special tokens, 256 bytes and the space are 266'],
    ['no integer', { vocabularySize: 300.5 }, 'vocabularySize should be an integer from 1 to 1048576, but is 300.5'],
    ['a frequency of 0', { minFrequency: 0 }, 'minFrequency should be an integer from 1'],
    ['unused tokens below 0', { unusedTokens: -1 }, 'unusedTokens should be an integer from 0'],
    ['a coverage above 1', { characterCoverage: 1.5 }, 'characterCoverage should be a number above 0 and at most 1'],
  ])('refuses %s', async (_, options, message) => {
    const training = trainTokenizer(out('never'), { files, vocabularySize: 340, ...options });
    await expect(training).rejects.toThrow(UsageError);
    await expect(training).rejects.toThrow(message);
  });

  it('refuses a folder that exists, files without text, and no files', async () => {
    mkdirSync(out('there'));
    await expect(trainTokenizer(out('there'), { files, vocabularySize: 340 })).rejects.toThrow(
      `${out('there')} exists already.`,
    );
    const empty = folderWith({ 'empty.txt': '' });
    const none = trainTokenizer(out('none'), { files: join(empty, '*.txt'), vocabularySize: 340 });
    await expect(none).rejects.toThrow(DataError);
    await expect(none).rejects.toThrow(`There is no text in ${join(empty, '*.txt')}.`);
    await expect(trainTokenizer(out('none'), { files: join(empty, '*.md'), vocabularySize: 340 })).rejects.toThrow(
      'No file matches',
    );
    expect(readdirSync(data)).not.toContain('none');
  });

  it('leaves nothing behind where it cannot write', async () => {
    const nowhere = join(files[0], 'within-a-file');
    await expect(trainTokenizer(nowhere, { files, vocabularySize: 340 })).rejects.toThrow(CheckpointError);
  });
});

describe('chooseAlphabet', () => {
  const words = new Map([
    ['▁aab', 10],
    ['c', 5],
    ['é', 1],
  ]);

  it('covers the share of the text, by the most frequent characters', () => {
    expect(chooseAlphabet(words, 1, 100)).toEqual(['a', 'b', 'c', 'é', '▁']);
    expect(chooseAlphabet(words, 0.97, 100)).toEqual(['a', 'b', 'c', '▁']);
    expect(chooseAlphabet(words, 0.5, 100)).toEqual(['a', '▁']);
  });

  it('takes no more than there is room for, and the space always', () => {
    expect(chooseAlphabet(words, 1, 2)).toEqual(['a', '▁']);
    expect(chooseAlphabet(new Map([['x', 1]]), 1, 1)).toEqual(['▁']);
  });
});
