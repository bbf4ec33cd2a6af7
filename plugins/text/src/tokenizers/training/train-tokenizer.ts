import { writeFolderAtomically } from '@graft/checkpoint/internal';
import { DataError, UsageError } from '@graft/core';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { byteToken } from '../bytes';
import { learnMerges, MOST_TOKENS, type LearnedMerges } from './bpe-trainer';
import { findFiles } from '../../files/find-files';
import { countWords, SPACE, WordCounts } from './word-counts';

/** What a tokenizer is trained on. */
export interface TrainTokenizerOptions {
  /** Files or globs, absolute; text in UTF-8, `.gz` unpacked. */
  readonly files: string | readonly string[];
  /** Patterns of files to exclude. */
  readonly exclude?: readonly string[];
  /** Total number of tokens: special ones, 256 bytes, characters and merges. */
  readonly vocabularySize: number;
  /** Occurrences that a pair needs to be merged. Default 2. */
  readonly minFrequency?: number;
  /** Fraction of the text's characters that become tokens; the rarest ones are spelled in bytes. Default 0.9995. */
  readonly characterCoverage?: number;
  /**
   * Number of `<unused0>`, … to reserve, for sentinels and mode tokens. With 99 every special token has Gemma's id.
   * Default 0.
   */
  readonly unusedTokens?: number;
  readonly onProgress?: (progress: TrainTokenizerProgress) => void;
}

/** Bytes of files read, then tokens of the vocabulary; in the last one `done` equals `total`. */
export interface TrainTokenizerProgress {
  readonly phase: 'reading' | 'merging';
  readonly done: number;
  readonly total: number;
}

/** What training a tokenizer has counted. */
export interface TrainTokenizerReport {
  readonly files: number;
  readonly bytes: number;
  /** Distinct words that merges were learned from. */
  readonly wordKinds: number;
  /** Distinct rare words that were dropped to limit the memory. */
  readonly droppedWordKinds: number;
  /** Characters that are tokens. */
  readonly characters: number;
  readonly merges: number;
  /** At most the requested size: less if no pair is frequent enough any more. */
  readonly vocabularySize: number;
}

/** Gemma's, in its order. */
const FIRST = ['<pad>', '<eos>', '<bos>', '<unk>', '<mask>', '<2mass>', '[@BOS@]'];
const TURNS = ['<start_of_turn>', '<end_of_turn>'];
/** The others are added tokens, but not special ones, so that decoding shows them. */
const SPECIAL = new Set([...FIRST.slice(0, 4), ...TURNS]);

const BYTES = Array.from({ length: 256 }, (_, byte) => byteToken(byte));

/** As in SentencePiece: longer ones are phrases in scripts without spaces, or rows of signs. */
const LONGEST_TOKEN = 16;

/**
 * Trains a byte-pair-encoding vocabulary of Gemma's kind on text files and writes it as a folder with tokenizer.json
 * and tokenizer_config.json, which appears complete or not at all. Spaces become U+2581 and belong to the word after
 * them, digits are single, letters are not merged with signs, and other characters are spelled in bytes, so that every
 * text can be encoded. The same files give the same vocabulary. Throws UsageError for options out of range, DataError
 * if there is no text.
 */
export async function trainTokenizer(folder: string, options: TrainTokenizerOptions): Promise<TrainTokenizerReport> {
  const { minFrequency = 2, characterCoverage = 0.9995, vocabularySize, onProgress } = options;
  checkOptions(options);
  const added = addedTokens(options.unusedTokens ?? 0);
  // Reported before the long work, not after it.
  if (await stat(folder).catch(() => undefined))
    throw new UsageError(`${folder} exists already.`, {
      code: 'tokenizer.exists',
      hint: 'Name another folder, or remove this one first.',
    });
  const files = await findFiles(options.files, options.exclude, '--input and --exclude');
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const counts = new WordCounts(added);
  await countWords(files, counts, (done) => onProgress?.({ phase: 'reading', done, total: bytes }));
  const words = counts.words();
  if (words.size === 0) {
    throw new DataError(`There is no text in ${[options.files].flat().join(', ')}.`, {
      code: 'data.empty',
      exitCode: 2,
    });
  }
  const reserved = [...added, ...BYTES];
  const alphabet = chooseAlphabet(words, characterCoverage, vocabularySize - reserved.length);
  const learned = learnMerges({
    ...{ words, reserved, alphabet, vocabularySize, minFrequency, longestToken: LONGEST_TOKEN },
    onProgress: (done) => onProgress?.({ phase: 'merging', done, total: vocabularySize }),
  });
  const made = learned.tokens.length;
  onProgress?.({ phase: 'merging', done: made, total: made });
  await writeFolderAtomically(folder, async (temporary) => {
    await writeFile(join(temporary, 'tokenizer.json'), toJson(tokenizerJson(added, learned)));
    await writeFile(join(temporary, 'tokenizer_config.json'), toJson(tokenizerConfig(added)));
  });
  return {
    files: files.length,
    bytes,
    wordKinds: words.size,
    droppedWordKinds: counts.dropped,
    characters: alphabet.length,
    merges: learned.merges.length,
    vocabularySize: made,
  };
}

const toJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

function addedTokens(unused: number): string[] {
  return [...FIRST, ...Array.from({ length: unused }, (_, i) => `<unused${i}>`), ...TURNS];
}

function checkOptions(options: TrainTokenizerOptions): void {
  const { vocabularySize, minFrequency = 2, characterCoverage = 0.9995, unusedTokens = 0 } = options;
  const wrong = (what: string, hint?: string): never => {
    throw new UsageError(what, { code: 'tokenizer.options', hint });
  };
  for (const [name, value, least] of [
    ['unusedTokens', unusedTokens, 0],
    ['minFrequency', minFrequency, 1],
    ['vocabularySize', vocabularySize, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least || value > MOST_TOKENS)
      wrong(`${name} should be an integer from ${least} to ${MOST_TOKENS}, but is ${value}.`);
  }
  if (!(characterCoverage > 0 && characterCoverage <= 1))
    wrong(`characterCoverage should be a number above 0 and at most 1, but is ${characterCoverage}.`);
  const added = FIRST.length + unusedTokens + TURNS.length;
  const least = added + BYTES.length + 1;
  if (vocabularySize < least) {
    wrong(
      `A vocabulary of ${vocabularySize} tokens is too small: ${added} special tokens, 256 bytes and the space are ${least}.`,
      `Ask for ${least} or more; every token above that is a character or a merge.`,
    );
  }
}

/**
 * The most frequent characters, by code point: enough to cover that fraction of the text, but at most as many as fit.
 * The space is always included, because otherwise its bytes would be read as U+2581.
 */
export function chooseAlphabet(words: ReadonlyMap<string, number>, coverage: number, capacity: number): string[] {
  const counts = new Map<string, number>();
  let total = 0;
  for (const [word, count] of words) {
    for (const character of word) {
      counts.set(character, (counts.get(character) ?? 0) + count);
      total += count;
    }
  }
  let covered = counts.get(SPACE) ?? 0;
  counts.delete(SPACE);
  const chosen = [SPACE];
  const frequentFirst = [...counts].sort((a, b) => b[1] - a[1] || codePoint(a[0]) - codePoint(b[0]));
  for (const [character, count] of frequentFirst) {
    if (chosen.length >= capacity || covered >= coverage * total) break;
    chosen.push(character);
    covered += count;
  }
  return chosen.sort((a, b) => codePoint(a) - codePoint(b));
}

const codePoint = (character: string): number => character.codePointAt(0)!;

/** In Gemma's form, part by part. */
function tokenizerJson(added: readonly string[], { tokens, merges }: LearnedMerges): object {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map((content, id) => ({ id, content, ...flags, special: SPECIAL.has(content) })),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: SPACE },
    pre_tokenizer: {
      type: 'Split',
      pattern: { String: ' ' },
      behavior: 'MergedWithPrevious',
      invert: false,
    },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<bos>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: '<bos>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '<bos>', type_id: 1 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { '<bos>': { id: '<bos>', ids: [added.indexOf('<bos>')], tokens: ['<bos>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
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
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      // Texts, not pairs: every version of the published library reads them.
      merges: merges.map((pair) => pair.join(' ')),
    },
  };
}

function tokenizerConfig(added: readonly string[]): object {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<bos>',
    eos_token: '<eos>',
    unk_token: '<unk>',
    pad_token: '<pad>',
    additional_special_tokens: TURNS,
    // Otherwise the class also gives token types, which no Gemma accepts.
    model_input_names: ['input_ids', 'attention_mask'],
    clean_up_tokenization_spaces: false,
    spaces_between_special_tokens: false,
    added_tokens_decoder: Object.fromEntries(
      added.map((content, id) => [id, { content, ...flags, special: SPECIAL.has(content) }]),
    ),
  };
}
