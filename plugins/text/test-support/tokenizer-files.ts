import { tokenizerJson } from './tokenizer-json';

type Json = Record<string, unknown> & {
  readonly model: Record<string, unknown> & { readonly vocab: Readonly<Record<string, number>> };
  readonly added_tokens: readonly object[];
};

const gemma = (...merges: string[]): Json => tokenizerJson(undefined, ...merges) as Json;

function added(json: Json, contents: readonly string[], flags: object): Json {
  const { vocab } = json.model;
  let next = Object.keys(vocab).length;
  const tokens = contents.map((content) => ({ id: vocab[content] ?? next++, content, ...flags }));
  return { ...json, added_tokens: [...json.added_tokens, ...tokens] };
}

/** A character in place of its byte, like the tab in Gemma 2. */
function withoutTabByte(json: Json): Json {
  const entries = Object.entries(json.model.vocab).map(
    ([token, id]) => [token === '<0x09>' ? '\t' : token, id] as const,
  );
  return { ...json, model: { ...json.model, vocab: Object.fromEntries(entries) } };
}

/** Byte-level BPE over a few merges, as Llama's and Qwen's. */
function byteLevel(preTokenizer: object, more: object = {}): Json {
  const { model, added_tokens } = gemma();
  const byteCharacters = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i < 162 ? 0x21 + i : 0xa1 + i));
  const merges = ['t h', 'th e', 'Ġ the', 'a n', 'an d', 'Ċ Ċ', 'Ġ Ġ', 'ĠĠ Ġ', '1 2', '. Ċ'];
  const known = [...'abcdefghijklmnopqrstuvwxyz.,0123456789', 'Ġ', 'Ċ', ...byteCharacters];
  const tokens = new Set([
    '<pad>',
    '<eos>',
    '<bos>',
    '<unk>',
    ...known,
    ...merges.map((merge) => merge.replace(' ', '')),
  ]);
  const vocab = Object.fromEntries([...tokens].map((token, id) => [token, id]));
  return {
    added_tokens,
    normalizer: null,
    pre_tokenizer: preTokenizer,
    model: { ...model, byte_fallback: false, fuse_unk: false, vocab, merges },
    decoder: { type: 'ByteLevel' },
    ...more,
  };
}

const LLAMA =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const llamaWords = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: LLAMA }, behavior: 'Isolated', invert: false },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
};
const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true };
const words = (...contents: string[]): Record<string, number> =>
  Object.fromEntries(['<pad>', '<eos>', '<bos>', '<unk>', ...contents].map((token, id) => [token, id]));
const wordPiece = {
  type: 'WordPiece',
  unk_token: '<unk>',
  continuing_subword_prefix: '##',
  max_input_chars_per_word: 100,
  vocab: words('the', 'and', '##d', 'an', 'x', '##x', '.', ',', '1', '2', '漢', "##'", 't'),
};

/** Tokenizers of many forms, by name: each has `<pad>`, `<eos>`, `<bos>` and `<unk>`. */
export const TOKENIZER_FILES: Readonly<Record<string, Json>> = {
  Gemma: gemma(),
  'Gemma with a merge into a space': gemma('x ▁the'),
  'Gemma without the byte of the tab': withoutTabByte(gemma()),
  'Gemma with rows of newlines and spaces': added(gemma('▁ ▁'), ['\n\n', '\n\n\n', '▁▁', '<b>', '<bb>'], {
    normalized: false,
  }),
  'Gemma with tokens of the normal text': added(gemma(), ['<b>', 'x y', ' .'], { normalized: true }),
  'Gemma with single words': added(gemma(), ['the', 'x', '12'], { normalized: false, single_word: true }),
  'Gemma with single words of the normal text': added(gemma(), ['the', 'x'], { normalized: true, single_word: true }),
  'Gemma with tokens that strip': added(gemma(), ['<b>', '<bb>'], { normalized: false, lstrip: true, rstrip: true }),
  'Gemma without bytes': { ...gemma(), model: { ...gemma().model, byte_fallback: false } },
  'Gemma that looks up whole words': { ...gemma(), model: { ...gemma().model, ignore_merges: true } },
  'Gemma with a space put before': {
    ...gemma(),
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, gemma().normalizer] },
  },
  'Gemma in NFKC, stripped': {
    ...gemma(),
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'NFKC' }, { type: 'Strip', strip_left: true, strip_right: true }, gemma().normalizer],
    },
  },
  Metaspace: { ...gemma(), normalizer: null, pre_tokenizer: metaspace },
  'Metaspace, whole': { ...gemma(), normalizer: null, pre_tokenizer: { ...metaspace, split: false } },
  'GPT-2': byteLevel({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }),
  'GPT-2 with a space put before': byteLevel({ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true }),
  'Llama 3': byteLevel(llamaWords),
  'Qwen 3': byteLevel(llamaWords, { normalizer: { type: 'NFC' } }),
  BERT: {
    added_tokens: gemma().added_tokens,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    model: wordPiece,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  },
  'words between spaces': {
    added_tokens: gemma().added_tokens,
    pre_tokenizer: { type: 'Whitespace' },
    model: { type: 'WordLevel', unk_token: '<unk>', vocab: wordPiece.vocab },
  },
  Unigram: {
    added_tokens: gemma().added_tokens,
    normalizer: { type: 'Nmt' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'WhitespaceSplit' }, { ...metaspace, prepend_scheme: 'always' }],
    },
    model: {
      type: 'Unigram',
      unk_id: 3,
      vocab: [
        '<pad>',
        '<eos>',
        '<bos>',
        '<unk>',
        '▁',
        '▁the',
        'the',
        't',
        'h',
        'e',
        'x',
        '▁x',
        'th',
        '.',
        'an',
        'and',
        '1',
      ].map((token, i) => [token, i < 4 ? 0 : -i / 3]),
    } as never,
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
  },
};
