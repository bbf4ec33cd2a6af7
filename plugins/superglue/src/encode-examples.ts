import { DataError, type Logger, type Tokenizer } from '@graft/core';
import type { ClassificationExample, RowPlace } from './tasks';

/** A text of a line of a file, in parts. */
export type PlacedText = Pick<ClassificationExample, 'id' | 'parts'> & { readonly place: RowPlace };

/** An example as the model reads it. */
export interface EncodedExample<E = ClassificationExample> {
  readonly example: E;
  readonly tokens: Int32Array;
}

/** How examples become tokens. */
export interface EncodeOptions {
  /** The longest sequence, special tokens included. */
  readonly maxTokens: number;
  /** `shorten` removes words from the end of the passage; `error` refuses. */
  readonly longInputs: 'shorten' | 'error';
  /** Special token before the text. Default: none. */
  readonly bos?: number;
  /** Special token after it, whose state the head then reads. Default: none. */
  readonly eos?: number;
}

/** Examples as tokens. */
export interface EncodedExamples<E = ClassificationExample> {
  readonly encoded: readonly EncodedExample<E>[];
  /** How many were too long and lost a part of their passage. */
  readonly shortened: number;
}

/**
 * Tokenizes examples. Throws DataError if one does not fit, naming the length that the longest of `all` needs: only the
 * part that the task marks as shortenable is ever shortened, and only if the options allow it. `all`: the task's
 * examples, of every split. Default: these.
 */
export function encodeExamples<E extends PlacedText>(
  examples: readonly E[],
  tokenizer: Tokenizer,
  options: EncodeOptions,
  all: readonly PlacedText[] = examples,
): EncodedExamples<E> {
  const { maxTokens, longInputs } = options;
  const maxLength = maxTokens - specials(options);
  let shortened = 0;
  const encoded = examples.map((example): EncodedExample<E> => {
    let tokens = tokenizer.encode(textOf(example));
    if (tokens.length > maxLength) {
      const fitting = longInputs === 'shorten' ? shorten(example, tokenizer, maxLength) : undefined;
      if (!fitting) throw tooLong(example, all, tokenizer, options);
      tokens = fitting;
      shortened++;
    }
    return { example, tokens: withSpecials(tokens, options) };
  });
  return { encoded, shortened };
}

/** The encoded examples of a file. Warns if some were shortened, and throws DataError if there are none (of `what`). */
export function checkEncoded<E>(
  { encoded, shortened }: EncodedExamples<E>,
  {
    where,
    what,
    maxTokens,
    logger,
  }: { readonly where: string; readonly what: string; readonly maxTokens: number; readonly logger: Logger },
): readonly EncodedExample<E>[] {
  if (encoded.length === 0) throw new DataError(`${where} holds no ${what}.`, { code: 'superglue.empty' });
  if (shortened > 0)
    logger.warn(
      `${where}: ${shortened} of ${encoded.length} examples are longer than ${maxTokens} tokens; their passage loses its end.`,
    );
  return encoded;
}

function textOf({ parts }: Pick<PlacedText, 'parts'>, shortenableLength = Infinity): string {
  return parts.map(({ text, shortenable }) => (shortenable ? text.slice(0, shortenableLength) : text)).join('');
}

/** The longest beginning of the shortenable part, in whole words, with which the text fits; undefined if none does. */
function shorten(example: PlacedText, tokenizer: Tokenizer, maxLength: number): Int32Array | undefined {
  const long = example.parts.find(({ shortenable }) => shortenable)?.text ?? '';
  const ends = [0, ...[...long.matchAll(/\S(?=\s|$)/g)].map(({ index }) => index + 1)];
  let fitting: Int32Array | undefined;
  for (let low = 0, high = ends.length - 1; low <= high;) {
    const middle = (low + high) >> 1;
    const tokens = tokenizer.encode(textOf(example, ends[middle]));
    if (tokens.length <= maxLength) {
      fitting = tokens;
      low = middle + 1;
    } else high = middle - 1;
  }
  return fitting;
}

const specials = ({ bos, eos }: EncodeOptions): number => Number(bos !== undefined) + Number(eos !== undefined);

function withSpecials(tokens: Int32Array, { bos, eos }: EncodeOptions): Int32Array {
  const before = bos === undefined ? [] : [bos];
  const behind = eos === undefined ? [] : [eos];
  return Int32Array.of(...before, ...tokens, ...behind);
}

const hasPassage = ({ parts }: PlacedText): boolean => parts.some(({ shortenable }) => shortenable);

function tooLong(
  example: PlacedText,
  all: readonly PlacedText[],
  tokenizer: Tokenizer,
  options: EncodeOptions,
): DataError {
  const { maxTokens, longInputs } = options;
  const shortens = longInputs === 'shorten';
  const tokensOf = (one: PlacedText): number =>
    tokenizer.encode(textOf(one, shortens ? 0 : Infinity)).length + specials(options);
  const needed = all.reduce((longest, one) => Math.max(longest, tokensOf(one)), 0);
  const { id, place } = example;
  const takes = `takes ${tokensOf(example)} tokens${shortens && hasPassage(example) ? ' without its passage' : ''}`;
  const limit = `maxTokens is ${maxTokens}${shortens && !hasPassage(example) ? ', and its task has no passage to shorten' : ''}`;
  return new DataError(`${place.file}:${place.line} (idx ${id}) ${takes}, but ${limit}.`, {
    code: 'superglue.too-long',
    exitCode: 2,
    hint: `Raise maxTokens to ${needed} or more, which the longest of the task's examples needs${!shortens && hasPassage(example) ? ', or set longInputs: shorten' : ''}.`,
  });
}
