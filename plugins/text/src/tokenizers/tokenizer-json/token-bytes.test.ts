import fc from 'fast-check';
import { folderWith } from '../../../test-support/datasets';
import { TOKENIZER_FILES } from '../../../test-support/tokenizer-files';
import { BytesTokenizer } from '../bytes';
import { HuggingFaceTokenizer } from '../huggingface';

const open = (name: string): Promise<HuggingFaceTokenizer> =>
  HuggingFaceTokenizer.open({ path: folderWith({ 'tokenizer.json': JSON.stringify(TOKENIZER_FILES[name]) }) });
const bytesOf = (tokenizer: { byteLength(id: number): number }, ids: Int32Array): number =>
  ids.reduce((sum, id) => sum + tokenizer.byteLength(id), 0);

// The vocabularies of bytes lack those outside ASCII.
test.each([
  ['Gemma with rows of newlines and spaces', ['é', '漢', '🙂', '\ufeff']],
  ['GPT-2', []],
  ['Llama 3', []],
])('the bytes of the tokens of a text are its own, whole or cut: %s', async (name, more) => {
  const tokenizer = await open(name);
  const texts = fc.string({
    unit: fc.constantFrom(...'abcdehnt.,012 \n', 'the', ' and', '\n\n', ...more),
    maxLength: 20,
  });
  fc.assert(
    fc.property(texts, fc.nat(), (text, cut) => {
      const ids = tokenizer.encode(text);
      expect(bytesOf(tokenizer, ids)).toBe(Buffer.byteLength(text));
      // A window may end within a character.
      const at = cut % (ids.length + 1);
      const [before, after] = [ids.subarray(0, at), ids.subarray(at)];
      expect(bytesOf(tokenizer, before) + bytesOf(tokenizer, after)).toBe(Buffer.byteLength(text));
    }),
  );
});

test.each(Object.keys(TOKENIZER_FILES))(
  'special tokens have no bytes, and every other id has as many as it adds to a text: %s',
  async (name) => {
    const tokenizer = await open(name);
    const { bosId, eosId, padId, vocabularySize } = tokenizer;
    expect([bosId, eosId, padId, vocabularySize, -1].map((id) => tokenizer.byteLength(id))).toEqual([0, 0, 0, 0, 0]);
    // Some decoders treat the ends of a text differently, and half a character is decoded as U+FFFD.
    const letter = tokenizer.encode('x')[0];
    const decodedBytes = (ids: number[]): number => Buffer.byteLength(tokenizer.decode(ids));
    for (let id = 0; id < vocabularySize; id++) {
      const text = tokenizer.decode([letter, id, letter]);
      if (text.includes('\ufffd') || id === letter) continue;
      expect([id, tokenizer.byteLength(id)]).toEqual([
        id,
        decodedBytes([letter, id, letter]) - decodedBytes([letter, letter]),
      ]);
    }
  },
);

test('bytes are counted by the tokenizer of bytes', () => {
  const tokenizer = new BytesTokenizer({ vocabularySize: 300 });
  expect(bytesOf(tokenizer, tokenizer.encode('né'))).toBe(3);
  expect([0, 1, 2, 3, 258, 259, 299, 300].map((id) => tokenizer.byteLength(id))).toEqual([0, 0, 0, 1, 1, 0, 0, 0]);
});
