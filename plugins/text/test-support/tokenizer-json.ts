/**
 * A tokenizer.json like Gemma's, but small: BPE over characters, spaces as U+2581, bytes for characters outside the
 * vocabulary.
 */
export function tokenizerJson(
  special: readonly string[] = ['<pad>', '<eos>', '<bos>', '<unk>'],
  ...more: (string | undefined)[]
): object {
  const byteTokens = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const merges = [
    't h',
    'th e',
    '▁ the',
    'a n',
    'an d',
    '▁ and',
    'i n',
    ...more.filter((merge) => merge !== undefined),
  ];
  const tokens = [
    ...special,
    ...byteTokens,
    ...'▁abcdefghijklmnopqrstuvwxyz.,',
    ...merges.map((merge) => merge.replace(' ', '')),
  ];
  return {
    version: '1.0',
    added_tokens: special.map((content, id) => ({
      id,
      content,
      special: true,
      normalized: false,
      single_word: false,
      lstrip: false,
      rstrip: false,
    })),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: special[3],
      byte_fallback: true,
      fuse_unk: true,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
