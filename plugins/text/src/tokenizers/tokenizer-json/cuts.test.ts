import { createRandom } from '@graft/core';
import fc from 'fast-check';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderWith } from '../../../test-support/datasets';
import { TOKENIZER_FILES } from '../../../test-support/tokenizer-files';
import { BytesTokenizer } from '../bytes';
import { HuggingFaceTokenizer } from '../huggingface';
import { PieceReader } from '../../files/pieces';
import { TextSource } from '../../datasets/text';

const parts = [
  'the',
  'and',
  'th',
  'x',
  'y',
  'x y',
  '.',
  ',',
  "'t",
  'é',
  'e\u0301',
  '漢',
  '字',
  '😀',
  '1',
  '12',
  '123',
  '▁',
  '\u3099',
];
const blanks = [' ', '  ', '\n', '\n\n', '\t', '\r\n', '\u3000', '\ufeff', '▁▁'];
const text = fc
  .array(fc.constantFrom(...parts, ...blanks, ...blanks, '<eos>', '<bos', '<b>', '<bb>'), {
    minLength: 1,
    maxLength: 30,
  })
  .map((some) => some.join(''));

const open = (name: string): Promise<HuggingFaceTokenizer> =>
  HuggingFaceTokenizer.open({ path: folderWith({ 'tokenizer.json': JSON.stringify(TOKENIZER_FILES[name]) }) });

/** Of these no place to cut is known: a document is always encoded whole. */
const WHOLE = new Set(['Gemma with a space put before', 'Gemma without bytes', 'Gemma that looks up whole words']);
const file = join(folderWith({}), 'text');

describe.each(Object.keys(TOKENIZER_FILES))('the tokenizer file %s', (name) => {
  it('two parts have the ids of the whole text, wherever a cut is allowed', async () => {
    const tokenizer = await open(name);
    let cuts = 0;
    fc.assert(
      fc.property(text, (whole) => {
        const characters = Array.from(whole);
        const ids = Array.from(tokenizer.encode(whole));
        for (let i = 1; i < characters.length; i++) {
          if (!tokenizer.separates(characters[i - 1], characters[i])) continue;
          cuts++;
          const [one, other] = [characters.slice(0, i), characters.slice(i)].map((some) =>
            tokenizer.encode(some.join('')),
          );
          expect([whole, i, ...one, ...other]).toEqual([whole, i, ...ids]);
        }
      }),
      { numRuns: 300 },
    );
    // It is not safe because it never cuts.
    if (!WHOLE.has(name)) expect(cuts).toBeGreaterThan(100);
  });

  it('a file is streamed in pieces of any size like the whole, and continues from every position', async () => {
    const tokenizer = await open(name);
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 80 }),
        async (whole, pieceBytes, stretchBytes) => {
          fc.pre(whole.trim() !== '');
          writeFileSync(file, whole);
          const reader = new PieceReader({ separates: tokenizer.separates.bind(tokenizer), pieceBytes, stretchBytes });
          const options = {
            tokenizer,
            reader,
            random: createRandom(0),
            appendEos: true,
            shuffle: false,
            repeat: false,
          };
          const source = new TextSource([{ path: file, size: statSync(file).size }], options);
          const chunks: { at: (typeof source)['start']; tokens: number[] }[] = [];
          for (let at = source.start; ;) {
            const chunk = await source.read(at);
            if (!chunk) break;
            chunks.push({ at, tokens: Array.from(chunk.tokens) });
            at = JSON.parse(JSON.stringify(chunk.next)) as typeof at;
          }
          expect(chunks.flatMap(({ tokens }) => tokens)).toEqual([...tokenizer.encode(whole), tokenizer.eosId]);
          // In any order, as a resume would.
          for (const { at, tokens } of [...chunks].reverse())
            expect(Array.from((await source.read(at))!.tokens)).toEqual(tokens);
        },
      ),
      { numRuns: 100 },
    );
  });
});

it('the bytes tokenizer may be cut between any bytes', () => {
  const tokenizer = new BytesTokenizer();
  expect(tokenizer.separates()).toBe(true);
});
