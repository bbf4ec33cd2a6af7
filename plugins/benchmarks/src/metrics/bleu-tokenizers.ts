import { splitWords, withoutLeadingSpace } from './python-text';

/** The tokenizations of BLEU, as sacrebleu names them. */
export const BLEU_TOKENIZERS = ['13a', 'intl', 'zh', 'char', 'none'] as const;
/** A tokenization of BLEU. */
export type BleuTokenizer = (typeof BLEU_TOKENIZERS)[number];

/** What separates punctuation of Western languages; the order counts. */
const WESTERN: readonly (readonly [RegExp, string])[] = [
  [/([{-~[-` -&(-+:-@/])/gu, ' $1 '],
  // Periods and commas, except between digits.
  [/([^0-9])([.,])/gu, '$1 $2 '],
  [/([.,])([^0-9])/gu, ' $1 $2'],
  // A dash behind a digit.
  [/([0-9])(-)/gu, '$1 $2 '],
];

const INTERNATIONAL: readonly (readonly [RegExp, string])[] = [
  [/(\P{N})(\p{P})/gu, '$1 $2 '],
  [/(\p{P})(\P{N})/gu, ' $1 $2'],
  [/(\p{S})/gu, ' $1 '],
];

/**
 * The characters that sacrebleu takes for Chinese, its slip included: two of its ranges are written with five digits in
 * an escape of four, so that everything from U+2001 to U+2A6D counts, general punctuation too.
 */
const CHINESE =
  /[\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]/gu;

const replaceAll = (text: string, rules: readonly (readonly [RegExp, string])[]): string =>
  rules.reduce((line, [pattern, by]) => line.replace(pattern, by), text);

/** The tokenization `mteval-v13a` of the WMT: entities and line ends first. */
function like13a(text: string): string {
  const line = text.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ');
  const plain = line.replaceAll('&quot;', '"').replaceAll('&amp;', '&').replaceAll('&lt;', '<').replaceAll('&gt;', '>');
  return replaceAll(` ${plain} `, WESTERN);
}

const SEPARATE: Readonly<Record<BleuTokenizer, (text: string) => string>> = {
  '13a': like13a,
  intl: (text) => replaceAll(text, INTERNATIONAL),
  zh: (text) => replaceAll(withoutLeadingSpace(text).replace(CHINESE, ' $& '), WESTERN),
  char: (text) => Array.from(text).join(' '),
  none: (text) => text,
};

/** The tokens of a text by a tokenization of BLEU. */
export const bleuTokens = (text: string, tokenizer: BleuTokenizer): string[] => splitWords(SEPARATE[tokenizer](text));
