import { loadOniguruma } from './oniguruma';
import { endsSoon } from './pattern-cost';
import { TokenizerPipeline } from './pipeline';
import { Excessive, Unsupported } from './unsupported';

const WORDS = { type: 'WordLevel', unk_token: 'u', vocab: { u: 0, a: 1 } };
const build = async (file: object): Promise<TokenizerPipeline> =>
  new TokenizerPipeline({ model: WORDS, ...file }, await loadOniguruma());

const split = (Regex: string): object => ({
  pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
});
const replace = (Regex: string, content = ''): object => ({ type: 'Replace', pattern: { Regex }, content });
const nested = (depth: number): object =>
  Array.from({ length: depth }).reduce<object>((inner) => ({ type: 'Sequence', normalizers: [inner] }), {
    type: 'NFC',
  });

const manyTokens = (count: number, from = 0): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${from + i}`, from + i]));

describe('a tokenizer file that needs too much memory or time', () => {
  it.each<[string, object, string]>([
    [
      'an id of a billion',
      { model: { ...WORDS, vocab: { u: 0, a: 1e9 } } },
      'the id of "a" is 1000000000, expected a whole number from 0 to 4194303',
    ],
    ['two tokens with one id', { model: { ...WORDS, vocab: { u: 0, a: 0 } } }, '"u" and "a" have the same id, 0'],
    ['a token of megabytes', { model: { ...WORDS, vocab: { u: 0, ['a'.repeat(2e6)]: 1 } } }, 'has 2000000 characters'],
    [
      'an added token of a billion',
      { added_tokens: [{ id: 1e9, content: 'x' }] },
      'added token "x" is not supported: the id of "x" is 1000000000',
    ],
    ['an added token of megabytes', { added_tokens: [{ id: 2, content: 'x'.repeat(2e6) }] }, 'has 2000000 characters'],
    [
      'an infinite score',
      { model: { type: 'Unigram', unk_id: 0, vocab: [['u', -Infinity]] } },
      'an entry should be a token and a score',
    ],
    [
      'words of any length whose parts are all looked up',
      { model: { ...WORDS, type: 'WordPiece', continuing_subword_prefix: '#', max_input_chars_per_word: 1e9 } },
      'max_input_chars_per_word is 1000000000; Graft takes at most 1000',
    ],
    ['deeply nested Sequences', { normalizer: nested(10_000) }, 'it has more than 16 Sequences within each other'],
    [
      'thousands of steps',
      { normalizer: { type: 'Sequence', normalizers: Array.from({ length: 2000 }, () => ({ type: 'NFC' })) } },
      'it has 1,001 steps',
    ],
    [
      'many byte-level steps that each double a text',
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: Array.from({ length: 30 }, () => ({ type: 'ByteLevel', add_prefix_space: false })),
        },
      },
      'it has 5 ByteLevel steps',
    ],
    ['a pattern of megabytes', split('a'.repeat(2e6)), 'its pattern has 2000000 characters'],
    ['a pattern with too many repetitions', split('a{100000}'), 'a repetition of more than 1000'],
    ['a pattern of deeply nested groups', split(`${'('.repeat(4000)}a${')'.repeat(4000)}`), 'cannot be read'],
    [
      'a pattern of alternatives that may all follow one another',
      split(`(?:${Array.from({ length: 300 }, (_, i) => `\\x{${(0x4e00 + i).toString(16)}}`).join('|')})+`),
      'too many alternatives in a row',
    ],
  ])('the file is refused for %s', async (_, file, message) => {
    const building = build(file);
    await expect(building).rejects.toBeInstanceOf(Unsupported);
    await expect(building).rejects.toThrow(message);
  });

  it('tokens without common beginnings are refused', async () => {
    const vocab = Array.from({ length: 300 }, (_, i) => [String.fromCodePoint(0x4e00 + i) + 'x'.repeat(4000), -1]);
    await expect(build({ model: { type: 'Unigram', unk_id: 0, vocab } })).rejects.toThrow(/different beginnings/);
  });
});

describe('a search that does not end', () => {
  const A = 'a'.repeat(40);

  it.each<[string, object, string]>([
    ['of a pre-tokenizer', split('(a+)+b'), A],
    ['of a normalizer', { normalizer: replace('(?:a|aa)+b') }, A],
    ['through many places of a long text', split('\\s*\\s*\\s*x'), ' '.repeat(30_000)],
  ])(
    'a search %s is stopped',
    async (_, file, text) => {
      const pipeline = await build(file);
      // Searches that end work as usual.
      expect(Array.from(pipeline.encode('aab a'))).not.toEqual([]);
      let thrown: unknown;
      try {
        pipeline.encode(text);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(Excessive);
      expect((thrown as Error).message).toMatch(/whose search did not end within 1 s in a text of [\d,]+ characters/);
    },
    30_000,
  );

  it('a search of a decoder is stopped', async () => {
    const pipeline = await build({
      model: { ...WORDS, vocab: { u: 0, [A]: 1 } },
      decoder: replace('(a+)+b'),
    });
    expect(() => pipeline.decode([1], true)).toThrow(Excessive);
  }, 30_000);

  it('harmless patterns are not suspected', () => {
    expect(endsSoon({ ways: 2, degree: 1 }, 4096)).toBe(true);
    expect(endsSoon({ ways: 2, degree: 3 }, 4096)).toBe(false);
    expect(endsSoon({ ways: Infinity, degree: 0 }, 1)).toBe(false);
  });
});

describe('a text that grows without limit', () => {
  const doubling = Array.from({ length: 40 }, () => replace('a', 'aa'));

  it.each<[string, object]>([
    ['by a normalizer', { normalizer: { type: 'Sequence', normalizers: doubling } }],
    ['through a long replacement of a pattern', { normalizer: replace('a', 'b'.repeat(4000)) }],
    [
      'through a long replacement of a string',
      { normalizer: { type: 'Replace', pattern: { String: 'a' }, content: 'b'.repeat(4000) } },
    ],
  ])('a text that grows %s is refused', async (_, file) => {
    const pipeline = await build(file);
    expect(() => pipeline.encode('a'.repeat(10_000))).toThrow(Excessive);
  });

  it('a text that grows in a decoder is refused', async () => {
    const pipeline = await build({ decoder: { type: 'Sequence', decoders: doubling } });
    expect(() => pipeline.decode([1], true)).toThrow(/makes more than 32 characters of each/);
  });
});

it('a file with the sizes of published ones is accepted', async () => {
  const pipeline = await build({
    model: { ...WORDS, vocab: { ...manyTokens(300_000), u: 300_000, ['a'.repeat(500)]: 300_001 } },
    added_tokens: [{ id: 300_001, content: 'a'.repeat(500) }],
  });
  expect(pipeline.size).toBe(300_002);
});
