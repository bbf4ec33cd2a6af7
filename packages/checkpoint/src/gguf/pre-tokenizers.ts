import { listed, shownJson } from '@graft/errors';
import { unsupportedGguf } from './problems';

type Part = Readonly<Record<string, unknown>>;

/** How a byte-level tokenizer cuts texts into words, as tokenizer.json describes it. */
export interface WordSplit {
  readonly normalizer: Part | null;
  readonly preTokenizer: Part;
  /** Words that are tokens are not merged step by step. */
  readonly ignoresMerges: boolean;
  /** Whether texts begin with BOS if the file does not say it. */
  readonly addsBos: boolean;
}

const split = (pattern: string): Part => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});

const byteLevel = (usesPattern: boolean): Part => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: usesPattern,
});

const sequence = (...pretokenizers: readonly Part[]): Part => ({ type: 'Sequence', pretokenizers });

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const AFTER_DIGITS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const withDigits = (digits: string): string =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}|${AFTER_DIGITS}`;
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const BEFORE_WORD = '[^\\r\\n\\p{L}\\p{N}]?';
const TEKKEN = `${BEFORE_WORD}${UPPER}*${LOWER}+|${BEFORE_WORD}${UPPER}+${LOWER}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const plain = { normalizer: null, ignoresMerges: false, addsBos: false };

const SPLITS = {
  llama3: {
    ...plain,
    preTokenizer: sequence(split(withDigits('\\p{N}{1,3}')), byteLevel(false)),
    ignoresMerges: true,
    addsBos: true,
  },
  qwen2: {
    ...plain,
    normalizer: { type: 'NFC' },
    preTokenizer: sequence(split(withDigits('\\p{N}')), byteLevel(false)),
  },
  tekken: { ...plain, preTokenizer: sequence(split(TEKKEN), byteLevel(false)), ignoresMerges: true, addsBos: true },
  // Digits stand alone.
  smollm: { ...plain, preTokenizer: sequence({ type: 'Digits', individual_digits: true }, byteLevel(true)) },
  gpt2: { ...plain, preTokenizer: byteLevel(true) },
  // What llama.cpp does where it knows no published pattern.
  default: {
    ...plain,
    preTokenizer: sequence(
      split('[\\p{P}\\$\\+<=>\\^~\\|]+'),
      split(GPT2),
      split('\\p{N}+'),
      split('[0-9][0-9][0-9]'),
      byteLevel(false),
    ),
  },
} satisfies Record<string, WordSplit>;

/** llama.cpp's names of them. */
const NAMES: Readonly<Record<string, keyof typeof SPLITS>> = {
  'llama-bpe': 'llama3',
  llama3: 'llama3',
  'llama-v3': 'llama3',
  falcon3: 'llama3',
  pixtral: 'llama3',
  'midm-2.0': 'llama3',
  qwen2: 'qwen2',
  'deepseek-r1-qwen': 'qwen2',
  megrez: 'qwen2',
  tekken: 'tekken',
  smollm: 'smollm',
  starcoder: 'smollm',
  refact: 'smollm',
  'command-r': 'smollm',
  codeshell: 'smollm',
  'gpt-2': 'gpt2',
  'phi-2': 'gpt2',
  olmo: 'gpt2',
  default: 'default',
};

/** How the file's tokenizer cuts texts, by the value of its key `tokenizer.ggml.pre`. Throws CheckpointError for others. */
export function wordSplit(file: string, name: string | undefined): WordSplit {
  if (name !== undefined && Object.hasOwn(NAMES, name)) return SPLITS[NAMES[name]];
  const known = listed(Object.keys(NAMES), 99);
  if (name === undefined)
    throw unsupportedGguf(
      file,
      `it lacks the key "tokenizer.ggml.pre", so it is not known how its tokenizer cuts texts; known are ${known}`,
      'Convert the model again with a current llama.cpp.',
    );
  throw unsupportedGguf(file, `its tokenizer cuts texts like ${shownJson(name, '', 60)}; Graft knows ${known}`);
}
