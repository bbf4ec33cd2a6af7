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

  it('the vocabulary has the requested size, consecutive ids, and special tokens as in Gemma', () => {
    const { added_tokens: added, model } = written(out('trained'));
    expect(Object.values(model.vocab).sort((a, b) => a - b)).toEqual(Array.from({ length: 340 }, (_, id) => id));
    expect(added.map(({ content }) => content)).toEqual([
      ...['<pad>', '<eos>', '<bos>', '<unk>', '<mask>', '<2mass>', '[@BOS@]', '<start_of_turn>', '<end_of_turn>'],
    ]);
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.bosId, tokenizer.vocabularySize]).toEqual([0, 1, 2, 340]);
    expect(readdirSync(out('trained')).sort()).toEqual(['tokenizer.json', 'tokenizer_config.json']);
  });

  it('the words of the text become tokens', () => {
    const pieces = (some: string): (string | undefined)[] =>
      Array.from(tokenizer.encode(some), (id) => tokenizer.piece(id));
    expect(pieces('The lazy dog, 12')).toEqual(['The', '▁lazy', '▁dog', ',', '▁', '1', '2']);
    expect(pieces('z\nы')).toEqual(['z', '\n', '<0xD1>', '<0x8B>']);
  });

  it('any text is decoded as it was', () => {
    const some = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .array(fc.constantFrom(' ', '  ', '\n', '\t', '\r\n', 'the', 'dog', '\ufeff', '漢', '😀', '<0x41>', '<', '12'))
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(some, (original) => {
        // The only character that is lost: it represents the space.
        const expected = original.replaceAll('▁', ' ');
        expect(tokenizer.decode(tokenizer.encode(original), { keepSpecial: true })).toBe(expected);
      }),
      { numRuns: 500, examples: [['▁'], ['\ufeff\ufeffa\ufeff'], ['\n'], ['   '], ['']] },
    );
  });

  it('the markers of turns are single tokens', () => {
    const ids = Array.from(tokenizer.encode('<start_of_turn>user\nthe dog<end_of_turn>\n'));
    expect([ids[0], ids.at(-2)]).toEqual([7, 8]);
    expect(tokenizer.decode(ids)).toBe('user\nthe dog\n');
  });

  it('progress is reported by phase', () => {
    const merging = progress.filter(({ phase }) => phase === 'merging');
    expect(progress[0]).toMatchObject({
      phase: 'reading',
      total: files.reduce((sum, file) => sum + statSync(file).size, 0),
    });
    expect(merging.every(({ done, total }) => done <= total && total === 340)).toBe(true);
    expect(merging.at(-1)).toEqual({ phase: 'merging', done: 340, total: 340 });
  });

  it('the result depends only on the text, not on files, their order or compression', async () => {
    const train = async (name: string, some: string[]): Promise<string[]> => {
      await trainTokenizer(out(name), { files: some, vocabularySize: 320 });
      return ['tokenizer.json', 'tokenizer_config.json'].map((file) => readFileSync(join(out(name), file), 'utf8'));
    };
    const first = await train('first', files);
    expect(await train('second', [...files].reverse())).toEqual(first);
    expect(await train('third', [join(data, 'c.txt.gz'), files[1]])).toEqual(first);
  });

  it("unused tokens are reserved, and with 99 of them every special token has Gemma's id", async () => {
    await trainTokenizer(out('unused'), { files, vocabularySize: 420, unusedTokens: 99 });
    const { vocab } = written(out('unused')).model;
    expect([vocab['<unused0>'], vocab['<unused98>']]).toEqual([7, 105]);
    expect([vocab['<start_of_turn>'], vocab['<end_of_turn>']]).toEqual([106, 107]);
    const unused = await HuggingFaceTokenizer.open({ path: out('unused') });
    expect(Array.from(unused.encode('<unused0>'))).toEqual([7]);
    // A sentinel is not a special token: it should be visible in UL2's output.
    expect(unused.decode([7, 1])).toBe('<unused0>');
  });

  it('the report has the actual size if nothing more could be merged', async () => {
    const report = await trainTokenizer(out('small'), { files: files[1], vocabularySize: 5000, minFrequency: 2 });
    expect(report.vocabularySize).toBeLessThan(300);
    expect(written(out('small')).model.merges).toHaveLength(report.merges);
  });

  it('a trained tokenizer works in a dataset', async () => {
    const tokenizer = { use: 'huggingface', path: out('trained') };
    const dataset = await openDataset('text', { files, tokenizer, lengthTokens: 16, shuffle: false });
    const [{ tokens }] = await take(dataset, 1);
    expect(tokens.shape).toEqual([16]);
    const opened = await HuggingFaceTokenizer.open({ path: out('trained') });
    expect(text.startsWith(opened.decode(tokens.values as Int32Array))).toBe(true);
  });

  it.each<[string, object, string]>([
    ['too small a vocabulary', { vocabularySize: 265 }, '9 special tokens, 256 bytes and the space are 266'],
    ['a fraction', { vocabularySize: 300.5 }, 'vocabularySize should be an integer from 1 to 1048576, but is 300.5'],
    ['a frequency of 0', { minFrequency: 0 }, 'minFrequency should be an integer from 1'],
    ['unused tokens below 0', { unusedTokens: -1 }, 'unusedTokens should be an integer from 0'],
    ['a coverage above 1', { characterCoverage: 1.5 }, 'characterCoverage should be a number above 0 and at most 1'],
  ])('training with %s is refused', async (_, options, message) => {
    const training = trainTokenizer(out('never'), { files, vocabularySize: 340, ...options });
    await expect(training).rejects.toThrow(UsageError);
    await expect(training).rejects.toThrow(message);
  });

  it('an existing folder is refused, and so are files without text and patterns without files', async () => {
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

  it('nothing is left over if the folder cannot be written', async () => {
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

  it('the most frequent characters cover the requested fraction of the text', () => {
    expect(chooseAlphabet(words, 1, 100)).toEqual(['a', 'b', 'c', 'é', '▁']);
    expect(chooseAlphabet(words, 0.97, 100)).toEqual(['a', 'b', 'c', '▁']);
    expect(chooseAlphabet(words, 0.5, 100)).toEqual(['a', '▁']);
  });

  it('the alphabet has at most the given size, and always contains the space', () => {
    expect(chooseAlphabet(words, 1, 2)).toEqual(['a', '▁']);
    expect(chooseAlphabet(new Map([['x', 1]]), 1, 1)).toEqual(['▁']);
  });
});
