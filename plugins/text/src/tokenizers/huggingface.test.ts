import { DataError } from '@graft/core';
import { Tokenizer as TokenizerJson } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { join } from 'node:path';
import { folderWith, openDataset, take } from '../../test-support/datasets';
import { TOKENIZER_FILES } from '../../test-support/tokenizer-files';
import { tokenizerJson } from '../../test-support/tokenizer-json';
import { HuggingFaceTokenizer } from './huggingface';

const json = JSON.stringify;
const folder = folderWith({ 'tokenizer.json': json(tokenizerJson()) });

describe('HuggingFaceTokenizer', () => {
  it('the tokenizer merges, and finds its special tokens by name', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    const { vocab } = (tokenizerJson() as { model: { vocab: Record<string, number> } }).model;
    expect(Array.from(tokenizer.encode('in the and'))).toEqual(['in', '▁the', '▁and'].map((token) => vocab[token]));
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.bosId]).toEqual([0, 1, 2]);
    expect(tokenizer.vocabularySize).toBe(Object.keys(vocab).length);
  });

  it('unknown characters are encoded as bytes', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: join(folder, 'tokenizer.json') });
    expect(Array.from(tokenizer.encode('aé'))).toEqual([tokenizer.encode('a')[0], 4 + 0xc3, 4 + 0xa9]);
    expect(tokenizer.decode([4 + 0xc3, 4 + 0xa9])).toBe('é');
  });

  it('any text is decoded as it was, including spaces before full stops', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    expect(tokenizer.decode(tokenizer.encode(' the  end .\n\n you  '))).toBe(' the  end .\n\n you  ');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        // The normalizer replaces every space by this character, which cannot be undone.
        fc.pre(!text.includes('▁'));
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('U+FEFF is kept everywhere', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    expect(tokenizer.decode(tokenizer.encode('\ufeffa\ufeff漢\ufeff'))).toBe('\ufeffa\ufeff漢\ufeff');
  });

  it('decoding token by token never shows half a character', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 12 }), (text) => {
        fc.pre(!/[▁\ufffd]/.test(text));
        const ids = tokenizer.encode(text);
        for (let end = 0; end <= ids.length; end++) {
          // An incomplete character is U+FFFD at the end, and only there.
          const shown = tokenizer.decode(ids.subarray(0, end)).replace(/\ufffd+$/, '');
          expect(text.startsWith(shown)).toBe(true);
          expect(shown).not.toMatch(/\p{Cs}/u);
        }
      }),
    );
  });

  describe("Gemma's form of tokenizer.json", () => {
    // Runs of newlines and spaces as added tokens, markers of turns, and a start token before every text.
    const base = tokenizerJson(['<pad>', '<eos>', '<bos>', '<unk>', '<start_of_turn>', '<end_of_turn>'], '▁ ▁') as {
      added_tokens: object[];
      model: { vocab: Record<string, number>; merges: string[] };
    };
    const { vocab, merges } = base.model;
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
    const rows = ['\n', '\n\n', '\n\n\n', '▁▁'];
    for (const row of rows) vocab[row] ??= Object.keys(vocab).length;
    const bos = { SpecialToken: { id: '<bos>', type_id: 0 } };
    const gemma = {
      ...base,
      added_tokens: [...base.added_tokens, ...rows.map((content) => ({ id: vocab[content], content, ...flags }))],
      post_processor: {
        type: 'TemplateProcessing',
        single: [bos, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [bos, { Sequence: { id: 'A', type_id: 0 } }, bos, { Sequence: { id: 'B', type_id: 1 } }],
        special_tokens: { '<bos>': { id: '<bos>', ids: [2], tokens: ['<bos>'] } },
      },
    };
    const dialects = { texts: merges, pairs: merges.map((merge) => merge.split(' ')) };

    it.each(Object.entries(dialects))("Gemma's form is read with merges as %s", async (_, some) => {
      const file = { ...gemma, model: { ...gemma.model, merges: some } };
      const tokenizer = await HuggingFaceTokenizer.open({ path: folderWith({ 'tokenizer.json': json(file) }) });
      const pieces = (text: string): (string | undefined)[] =>
        Array.from(tokenizer.encode(text), (id) => tokenizer.piece(id));
      const turn = '<start_of_turn>in the\n\n\n\n  and é<end_of_turn>\n';
      expect(pieces(turn)).toEqual([
        ...['<start_of_turn>', 'in', '▁the', '\n\n\n', '\n', '▁', '▁and', '▁', '<0xC3>', '<0xA9>'],
        ...['<end_of_turn>', '\n'],
      ]);
      expect(tokenizer.decode(tokenizer.encode(turn))).toBe('in the\n\n\n\n  and é\n');
      expect(tokenizer.decode(tokenizer.encode(turn), { keepSpecial: true })).toBe(turn);
      expect(tokenizer.piece(9999)).toBeUndefined();
    });
  });

  it('the tokens are those of the library, although words are encoded one by one', async () => {
    const pieces = fc.array(fc.constantFrom(' ', '  ', 'the', 'and', 'th', 'in', 'x', '\n', '.', 'é', '<eos>', '▁'), {
      maxLength: 25,
    });
    const compare = async (merge?: string): Promise<void> => {
      const file = tokenizerJson(undefined, merge);
      const ours = await HuggingFaceTokenizer.open({ path: folderWith({ 'tokenizer.json': json(file) }) });
      const library = new TokenizerJson(file, {});
      fc.assert(
        fc.property(pieces, (parts) => {
          const text = parts.join('');
          expect(Array.from(ours.encode(text))).toEqual(
            text === '' ? [] : library.encode(text, { add_special_tokens: false }).ids,
          );
        }),
        { numRuns: 200, examples: [[['x', ' ', 'the', ' ', 'and']]] },
      );
    };
    await compare();
    // A merge over the beginning of a space, which a cut there would lose.
    await compare('x ▁the');
  });

  it('half of a surrogate pair is refused, because it would become U+FFFD', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    expect(tokenizer.encode('😀')).toHaveLength(4);
    for (const half of ['\ud83d', 'a\ude00b'])
      expect(() => tokenizer.encode(half)).toThrow(/^The text holds half of a surrogate pair, \\ud/);
  });

  it('each byte that is not UTF-8 is decoded as U+FFFD, and the characters around it are kept', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    const bytes = (...some: number[]): number[] => some.map((byte) => 4 + byte);
    const [a] = tokenizer.encode('a');
    expect(tokenizer.decode([a, ...bytes(0xe6, 0xbc), a, ...bytes(0xff), a])).toBe('a\ufffd\ufffda\ufffda');
    expect(tokenizer.decode(bytes(0xef, 0xbb, 0xbf, 0xe6, 0xbc, 0xa2))).toBe('\ufeff漢');
  });

  it('clean_up_tokenization_spaces removes spaces before punctuation, but never for BPE', async () => {
    const config = json({ clean_up_tokenization_spaces: true });
    const open = (file: object): Promise<HuggingFaceTokenizer> =>
      HuggingFaceTokenizer.open({
        path: folderWith({ 'tokenizer.json': json(file), 'tokenizer_config.json': config }),
      });
    const bpe = await open(tokenizerJson());
    expect(bpe.decode(bpe.encode('the . the'))).toBe('the . the');
    const { decoder, ...bert } = TOKENIZER_FILES.BERT;
    const wordPiece = await open({ ...bert, decoder: { ...(decoder as object), cleanup: false } });
    expect(wordPiece.decode(wordPiece.encode('the . and'))).toBe('the. and');
  });

  it('decoding leaves out special tokens unless requested, and unknown ids always', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    const ids = [2, ...tokenizer.encode('and'), 1, 0, 99999, -100];
    expect(tokenizer.decode(ids)).toBe('and');
    expect(tokenizer.decode(ids, { keepSpecial: true })).toBe('<bos>and<eos><pad>');
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.encode('').length).toBe(0);
  });

  it('special tokens come from the options, otherwise from tokenizer_config.json', async () => {
    const configured = folderWith({
      'tokenizer.json': json(tokenizerJson(['[P]', '[E]', '[B]', '[U]'])),
      'tokenizer_config.json': json({ pad_token: '[P]', eos_token: { content: '[E]' }, bos_token: '[B]' }),
    });
    const tokenizer = await HuggingFaceTokenizer.open({ path: configured });
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.bosId]).toEqual([0, 1, 2]);
    expect((await HuggingFaceTokenizer.open({ path: configured, padToken: '[U]' })).padId).toBe(3);
  });

  it.each<[string, Record<string, string | Uint8Array>, string]>([
    ['an empty folder', {}, 'holds no tokenizer.json'],
    [
      'another encoding',
      { 'tokenizer.json': Buffer.from('{"é": 1}', 'latin1') },
      'cannot be read: it is not UTF-8 (byte 0xe9 at offset 2).',
    ],
    [
      'a truncated file',
      { 'tokenizer.json': '{"model":' },
      'tokenizer.json does not hold a JSON object: value expected (1:10).',
    ],
    [
      'a value nested 20,000 levels deep',
      { 'tokenizer.json': `{"model":${'['.repeat(20_000)}${']'.repeat(20_000)}}` },
      'tokenizer.json does not hold a JSON object: it has more than 500 objects and lists within each other (1:509).',
    ],
    ['a duplicate key', { 'tokenizer.json': '{"a":1,"a":2}' }, 'the key "a" is there twice (1:8)'],
    ['a list', { 'tokenizer.json': '[]' }, 'tokenizer.json does not hold a JSON object.'],
    [
      'another model',
      { 'tokenizer.json': json({ ...tokenizerJson(), model: { type: 'Rules' } }) },
      'tokenizer.json cannot be used: its model Rules is not supported: Graft does not know this type.',
    ],
    [
      'no padding token',
      { 'tokenizer.json': json(tokenizerJson(['<p>', '<eos>', '<bos>', '<unk>'])) },
      'has no pad token: "<pad>" is not in its vocabulary',
    ],
  ])('the error for %s names the problem', async (_, files, message) => {
    const path = folderWith(files);
    await expect(HuggingFaceTokenizer.open({ path })).rejects.toThrow(DataError);
    await expect(HuggingFaceTokenizer.open({ path })).rejects.toThrow(message);
  });

  it('the error for a missing path names it', async () => {
    await expect(HuggingFaceTokenizer.open({ path: join(folder, 'nowhere') })).rejects.toThrow(
      `There is no tokenizer at ${join(folder, 'nowhere')}.`,
    );
  });
});

describe('tokenizer files that are too large', () => {
  const opening = (files: Readonly<Record<string, string>>): Promise<unknown> =>
    HuggingFaceTokenizer.open({ path: folderWith({ 'tokenizer.json': JSON.stringify(tokenizerJson()), ...files }) });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'a tokenizer.json',
      { 'tokenizer.json': ' '.repeat(2 ** 26 + 1) },
      /tokenizer\.json cannot be read: it has 64\.0 MiB/,
    ],
    [
      'lists in a tokenizer.json',
      { 'tokenizer.json': `[${'[],'.repeat(5e6)}[]]` },
      /more than 4,194,304 objects, lists and keys/,
    ],
    [
      'a tokenizer_config.json',
      { 'tokenizer_config.json': ' '.repeat(2 ** 24 + 1) },
      /tokenizer_config\.json cannot be read/,
    ],
  ])('the limit applies to %s', async (_, files, message) => {
    const thrown = opening(files);
    await expect(thrown).rejects.toBeInstanceOf(DataError);
    await expect(thrown).rejects.toThrow(message);
  });
});

test('a search that does not end is an error with the file, the pattern and the row', async () => {
  const pre_tokenizer = { type: 'Split', pattern: { Regex: '(a+)+b' }, behavior: 'Isolated', invert: false };
  const path = folderWith({
    'tokenizer.json': JSON.stringify({ ...tokenizerJson(), pre_tokenizer }),
    'rows.jsonl': `${JSON.stringify({ text: 'aab' })}\n${JSON.stringify({ text: 'a'.repeat(50) })}\n`,
  });
  const tokenizer = { use: 'huggingface', path };
  const dataset = await openDataset('jsonl', { files: join(path, 'rows.jsonl'), tokenizer, shuffle: false });
  await expect(take(dataset, 2)).rejects.toMatchObject({
    code: 'tokenizer.excessive',
    message: expect.stringMatching(
      /rows\.jsonl:2: .*tokenizer\.json cannot be used on this text: its pre_tokenizer Split has the pattern "\(a\+\)\+b", whose search did not end within 1 s in a text of 50 characters/,
    ) as string,
  });
});
