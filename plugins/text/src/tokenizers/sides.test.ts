import { checkSides, sidesOf, SideText, type Model, type Tokenizer } from '@graft/core';
import fc from 'fast-check';
import { components, folderWith, openTokenizer } from '../../test-support/datasets';
import { TOKENIZER_FILES } from '../../test-support/tokenizer-files';
import { BytesTokenizer } from './bytes';

const bytes = new BytesTokenizer();
const opened = new Map<string, Tokenizer>();
beforeAll(async () => {
  for (const [name, json] of Object.entries(TOKENIZER_FILES))
    opened.set(name, await openTokenizer(folderWith({ 'tokenizer.json': JSON.stringify(json) })));
});

const TEXTS = [
  'the cat and the 12 dogs.',
  'née 🦙👩‍👧 x',
  ' and\n\nthe  漢字',
  '\uFFFDé\uFFFD\uFFFD',
  'the</s> <b> <eos>',
];

/** Whatever the encoder reads of each stretch, spelled by bytes, which spell every text. */
function checkUnchanged(name: string, text: string): number {
  const decoder = opened.get(name)!;
  const side = SideText.of({ encoder: bytes, decoder });
  const ids = decoder.encode(text);
  // A decoder that changes texts gives the changed text to both sides.
  const spelled = decoder.decode(ids, { keepSpecial: true });
  const read = (start: number, end: number): string =>
    bytes.decode(side.encode(ids, start, end), { keepSpecial: true });
  const places = side.boundaries(ids);
  for (const place of places) expect(read(0, place) + read(place, ids.length)).toBe(spelled);
  const stretches = places.slice(1).map((end, i) => read(places[i], end));
  expect(stretches.join('')).toBe(spelled);
  return places.length;
}

describe('what the encoder reads of a text in the decoder’s ids', () => {
  const FORMS = ['Gemma', 'Gemma with a merge into a space', 'GPT-2', 'Llama 3', 'Qwen 3', 'Gemma with single words'];

  it.each(FORMS)('is the text, wherever it is divided: %s', (name) => {
    for (const text of TEXTS) checkUnchanged(name, text);
    const character = fc.constantFrom('t', 'h', 'e', ' ', 'é', '🦙', '漢', '\uFFFD', '<eos>', '\n', '1');
    fc.assert(
      fc.property(fc.array(character, { minLength: 1, maxLength: 12 }), (parts) => {
        checkUnchanged(name, parts.join(''));
      }),
      { numRuns: 40 },
    );
  });

  it('is divided between characters alone, and specials become the encoder’s', () => {
    const decoder = opened.get('Gemma')!;
    const side = SideText.of({ encoder: bytes, decoder });
    const ids = [...decoder.encode('né'), decoder.eosId, ...decoder.encode('the')];
    // n, c3, a9, eos, the
    expect(ids).toHaveLength(5);
    expect(side.boundaries(ids)).toEqual([0, 1, 3, 4, 5]);
    expect([side.boundaryNear(ids, 2), side.boundaryNear(ids, 4)]).toEqual([1, 4]);
    expect(side.boundaryNear(decoder.encode('🦙'), 2)).toBeUndefined();
    expect(side.encode(ids, 0, 4)).toEqual([...bytes.encode('né'), bytes.eosId]);
  });

  it('keeps the space that some decoders remove from the beginning of a text', () => {
    const decoder: Tokenizer = {
      ...{ vocabularySize: 300, padId: 0, eosId: 1, bosId: 2 },
      encode: (text) => bytes.encode(text),
      decode: (ids, options) => bytes.decode(ids, options).replace(/^ /, ''),
    };
    const side = SideText.of({ encoder: bytes, decoder });
    const ids = decoder.encode('a b');
    expect([side.encode(ids, 0, 1), side.encode(ids, 1, 3)].map((part) => bytes.decode(part))).toEqual(['a', ' b']);
  });
});

describe('the tokenizer "sides"', () => {
  const one = { use: 'bytes', vocabularySize: 300 };

  it('is the decoder’s by itself, and has the encoder’s beside it, with or without its name', async () => {
    for (const use of [{ use: 'sides' }, {}]) {
      const made = await components().create('tokenizer', { ...use, encoder: one, decoder: 'bytes' } as never);
      expect([made.vocabularySize, made.encoderSide?.vocabularySize]).toEqual([259, 300]);
      expect(sidesOf(made).encoder).toBe(made.encoderSide);
      expect(made.decode(made.encode('né'))).toBe('né');
    }
  });

  it('takes one tokenizer for each side', async () => {
    const nested = { use: 'sides', encoder: { use: 'sides', encoder: 'bytes', decoder: 'bytes' }, decoder: 'bytes' };
    await expect(components().create('tokenizer', nested)).rejects.toThrow(
      'tokenizer.encoder has a tokenizer for each side itself; a side has one.',
    );
  });

  it('saves the files of both under different names', async () => {
    const path = folderWith({ 'tokenizer.json': JSON.stringify(TOKENIZER_FILES.Gemma), 'tokenizer_config.json': '{}' });
    const file = { use: 'huggingface', path };
    const made = await components().create('tokenizer', { use: 'sides', encoder: file, decoder: file });
    expect(Object.keys(await made.files!()).sort()).toEqual([
      'encoder_tokenizer/tokenizer.json',
      'encoder_tokenizer/tokenizer_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
  });

  it('is refused with the numbers that clash', () => {
    const specialTokens = { pad: 0, start: 2, eos: [1] };
    const model = (kind: Model['kind'], encoder: number | undefined, vocabularySize: number) => ({
      ...{ kind, vocabularySize, specialTokens },
      ...(encoder && { encoderTokens: { vocabularySize: encoder, specialTokens } }),
    });
    const tokenizers = { encoder: new BytesTokenizer({ vocabularySize: 320 }), decoder: bytes };
    // Text never gives unused tokens at the end, so that a model may lack them.
    expect(() => checkSides({ tokenizers }, model('encoder-decoder', 259, 259))).not.toThrow();
    expect(() => checkSides({ tokenizers }, model('encoder-decoder', 200, 259))).toThrow(
      "the encoder's tokenizer makes 259 different tokens of text, but the encoder's vocabulary has 200",
    );
    expect(() => checkSides({ tokenizers }, model('encoder-decoder', undefined, 320))).toThrow(
      "the model's sides share one embedding table, of 320 tokens",
    );
    expect(() => checkSides({ tokenizers }, model('decoder-only', undefined, 320))).toThrow(
      'the model is decoder-only',
    );
    expect(() => checkSides({ tokenizer: bytes }, model('encoder-decoder', 200, 300))).toThrow(
      "The data have one tokenizer, of 259 tokens, but the encoder's vocabulary has 200 and the decoder's 300.",
    );
    expect(() => checkSides({ tokenizer: bytes }, model('encoder-decoder', 300, 320))).not.toThrow();
  });
});
