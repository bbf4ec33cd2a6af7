import { sidesOf, type Dataset, type RandomStream, type Tokenizer } from '@graft/core';
import { Documents } from './documents';
import { WEIGHTS_FIELD } from '../rows/line-weights';
import { PackedExamples, type ResolvedPackOptions } from './pack';
import type { Cursor, TokenSource } from './token-source';

interface PackingContext {
  readonly tokenizer: Tokenizer;
  readonly random: RandomStream;
  readonly shuffle: boolean;
  readonly fingerprint: string;
}

/** Whole documents in rows of `lengthTokens`. */
export function packDocuments<C extends Cursor>(
  source: TokenSource<C>,
  lengthTokens: number,
  { rows, tooLong = 'split' }: ResolvedPackOptions,
  { tokenizer, random, shuffle, fingerprint }: PackingContext,
): Dataset {
  const documents = new Documents(source, tooLong === 'split' ? lengthTokens : undefined);
  return new PackedExamples(documents, {
    fields: [{ name: 'tokens', segments: 'segments', lengthTokens, option: 'lengthTokens' }],
    ...{ rows, tooLong, padId: tokenizer.padId, fingerprint },
    random: shuffle ? random : undefined,
  });
}

/**
 * Pairs of source and target in rows of `sourceTokens` and `targetTokens`, with the weights of targets if there are
 * any.
 */
export function packPairs(
  pairs: Dataset,
  { sourceTokens, targetTokens, rows, tooLong = 'error' }: ResolvedPackOptions,
  { tokenizer, random, shuffle, fingerprint }: PackingContext,
): Dataset {
  const weights = pairs.fields.find(({ name }) => name === WEIGHTS_FIELD.name)?.name;
  return new PackedExamples(pairs, {
    fields: [
      {
        name: 'source',
        segments: 'source_segments',
        lengthTokens: sourceTokens!,
        option: 'pack.sourceTokens',
        padId: sidesOf(tokenizer).encoder.padId,
      },
      {
        name: 'target',
        segments: 'target_segments',
        lengthTokens: targetTokens!,
        option: 'pack.targetTokens',
        weights,
      },
    ],
    ...{ rows, tooLong, padId: tokenizer.padId, fingerprint },
    random: shuffle ? random : undefined,
  });
}

/** The problem of `pack` for pairs of source and target, with the option's name. */
export function pairPackProblem(pack: ResolvedPackOptions | undefined): { key: string; message: string } | undefined {
  if (!pack) return undefined;
  const missing = (['sourceTokens', 'targetTokens'] as const).find((key) => pack[key] === undefined);
  if (missing) return { key: missing, message: 'expected the length of a packed row; source and target have one each' };
  if (pack.tooLong === 'split')
    return { key: 'tooLong', message: 'a source and its target cannot be split; expected error, truncate or drop' };
  return undefined;
}
