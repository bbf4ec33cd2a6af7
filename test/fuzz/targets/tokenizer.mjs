import { components, json, Wrong } from './support.mjs';

const TEXTS = ['Hello, the world! 12', '  two  blanks\n\n', 'é\u0301 \u{1f600} <eos> <b>x', 'aaaa'.repeat(40), ''];

const vocabulary = (tokens) => Object.fromEntries(tokens.map((token, id) => [token, id]));
const SPECIAL = ['<pad>', '<eos>', '<bos>', '<unk>'];
const BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const LETTERS = [...'\u2581abcdefghijklmnopqrstuvwxyzHTW,.!0123456789'];
const MERGES = [
  ['h', 'e'],
  ['t', 'he'],
  ['\u2581', 'the'],
  ['l', 'l'],
  ['a', 'a'],
  ['aa', 'aa'],
];
const added = SPECIAL.map((content, id) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
}));

const GEMMA = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [...added, { ...added[0], id: 4, content: '<b>', lstrip: true, special: false, normalized: true }],
  normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
  pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
  post_processor: null,
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
    ],
  },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: '<unk>',
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: true,
    ignore_merges: false,
    vocab: vocabulary([...SPECIAL, '<b>', ...BYTES, ...LETTERS, ...MERGES.map((pair) => pair.join(''))]),
    merges: MERGES,
  },
};
const byteCharacters = [
  ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)),
  '\u0120',
  '\u010a',
  '\u00c3',
  '\u00a9',
];
const GPT = {
  ...GEMMA,
  added_tokens: added,
  normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }] },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      {
        type: 'Split',
        pattern: {
          Regex:
            "(?i:'s|'t|'re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        },
        behavior: 'Isolated',
        invert: false,
      },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    ...GEMMA.model,
    byte_fallback: false,
    unk_token: null,
    vocab: vocabulary([...SPECIAL, ...byteCharacters, 'he']),
    merges: ['h e'],
  },
};
const UNIGRAM = {
  ...GEMMA,
  added_tokens: added,
  normalizer: {
    type: 'Sequence',
    normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }, { type: 'Strip', strip_left: true, strip_right: false }],
  },
  pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', split: true },
  decoder: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', split: true },
  model: {
    type: 'Unigram',
    unk_id: 3,
    byte_fallback: false,
    vocab: [...SPECIAL, ...LETTERS, '\u2581the'].map((token, i) => [token, -i / 10]),
  },
};
const CONFIG = {
  bos_token: '<bos>',
  eos_token: '<eos>',
  pad_token: { content: '<pad>' },
  unk_token: '<unk>',
  clean_up_tokenization_spaces: false,
  chat_template: '{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}',
};

export default {
  what: 'tokenizer.json and tokenizer_config.json',
  seeds: async () =>
    [GEMMA, GPT, UNIGRAM].map((tokenizer) => ({
      'tokenizer.json': json(tokenizer),
      'tokenizer_config.json': json(CONFIG),
    })),
  async check(folder) {
    const tokenizer = await components().create('tokenizer', { use: 'huggingface', path: folder });
    const { vocabularySize } = tokenizer;
    for (const text of TEXTS) {
      const ids = tokenizer.encode(text);
      const odd = ids.find((id) => !(id >= 0 && id < vocabularySize));
      if (odd !== undefined) throw new Wrong(`it gives the id ${odd} of a vocabulary of ${vocabularySize}`);
      if (!tokenizer.decode(ids, { keepSpecial: true }).isWellFormed())
        throw new Wrong('a decoded text has half of a surrogate pair');
      tokenizer.separates?.(text, 'the');
    }
  },
};
