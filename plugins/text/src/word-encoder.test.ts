import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { tokenizerJson } from '../test-support/tokenizer-json';
import { createWordEncoder, WordCache, type TokenizerParts } from './word-encoder';

type Json = Record<string, unknown> & TokenizerParts & { model: object; added_tokens: readonly object[] };
const gemma = (...merges: string[]): Json => tokenizerJson(undefined, ...merges) as Json;

const words = ['the', 'and', 'th', 'in', 'x', '.', ',', "'t", 'é', '漢', '😀', '1', '12'];
const parts = [' ', '  ', '▁', '▁▁', '\n', '\n\n', ...words];
const text = fc
  .array(fc.constantFrom(...parts, '<eos>', '<bos', '<<b>', '<b>', '<bb>', '\ufeff'), { maxLength: 25 })
  .map((some) => some.join(''));

function withAdded(json: Json, contents: readonly string[], flags: object): Json {
  const size = Object.keys(json.model.vocab as object).length;
  const added = contents.map((content, i) => ({ id: size + i, content, lstrip: false, rstrip: false, ...flags }));
  return { ...json, added_tokens: [...json.added_tokens, ...added] };
}

it.each<[string, Json]>([
  ['as it is', gemma()],
  [
    'with merges given as pairs',
    {
      ...gemma(),
      model: {
        ...gemma().model,
        merges: [
          ['t', 'h'],
          ['th', 'e'],
        ],
      },
    },
  ],
  // A merge over the beginning of a space, over a letter and a sign: cuts there would lose them.
  ['with a merge into a space', gemma('x ▁the')],
  ['with a merge of letter and sign', gemma('n .', ', .')],
  [
    'with a normalizer that puts a space before',
    {
      ...gemma(),
      normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, gemma().normalizer] },
    },
  ],
  [
    'with a pre-tokenizer that looks where a section stands',
    {
      ...gemma(),
      normalizer: null,
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true },
    },
  ],
  ['with tokens added to the normal text', withAdded(gemma(), ['<b>', '<bb>', 'x y'], { normalized: true })],
  ['with tokens added to the given text', withAdded(gemma(), ['\n\n', '<b>', '<bb>'], { normalized: false })],
  ['with tokens that take the spaces around them', withAdded(gemma(), ['<b>'], { normalized: false, lstrip: true })],
  ['without bytes, unknown characters fused', { ...gemma(), model: { ...gemma().model, byte_fallback: false } }],
  ['with whole words looked up first', { ...gemma(), model: { ...gemma().model, ignore_merges: true } }],
])('gives the ids of the library: Gemma %s', (_, json) => {
  const library = new Tokenizer(json, {});
  const encode = createWordEncoder(library, json, {}) ?? (() => undefined);
  const isFused = json.model.byte_fallback === false;
  const strips = json.added_tokens.some(({ lstrip }) => lstrip);
  // Where the whole text is needed, the library has to do it.
  if (isFused || strips) return expect(encode('x')).toBeUndefined();
  fc.assert(
    fc.property(text, (some) => {
      const ids = library.encode(some, { add_special_tokens: false }).ids;
      expect(Array.from(encode(some)!)).toEqual(ids);
    }),
    { numRuns: 300 },
  );
});

it('goes on in the same way when it takes over from the library', () => {
  const json = gemma();
  const library = new Tokenizer(json, {});
  const encode = createWordEncoder(library, json, {})!;
  const words = Array.from(
    { length: 6000 },
    (_, i) => ` the${i.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[+digit])}`,
  );
  for (const word of words)
    expect(Array.from(encode(word))).toEqual(library.encode(word, { add_special_tokens: false }).ids);
});

describe('WordCache', () => {
  it('encodes a word that comes often once, and never holds more than two generations', () => {
    const asked: string[] = [];
    const cache = new WordCache((word) => [asked.push(word)], 10, 5);
    for (let i = 0; i < 200; i++) {
      cache.get('often');
      cache.get(String(i));
      expect(cache.size).toBeLessThanOrEqual(20);
    }
    expect(asked.filter((word) => word === 'often')).toHaveLength(1);
    expect(asked).toHaveLength(201);
  });

  it('gives the same, remembered or not, and does not keep long words', () => {
    const cache = new WordCache((word) => [word.length], 2, 3);
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'bb', 'ccc', 'dddd')), (words) => {
        for (const word of words) expect(cache.get(word)).toEqual([word.length]);
      }),
    );
    const empty = new WordCache(() => [1], 2, 3);
    empty.get('dddd');
    expect(empty.size).toBe(0);
  });
});
