import { CheckpointError, HEAD_BIAS, HEAD_WEIGHT } from '@graft/core';
import type { ConfigFields } from '../model/config-fields';
import type { SideConfig } from '../model/config-types';

/** The head of a pair's classifiers. */
export const PAIR_HEAD = { weight: HEAD_WEIGHT, bias: HEAD_BIAS };

/** What two sides share. */
interface PairTerms {
  readonly tieEncoderEmbedding: boolean;
  /** The format lets each side have its own vocabulary, unless they share a table. Default: it does not. */
  readonly ownVocabularies?: boolean;
}

/** Refuses sides that cannot form a model. `where` begins the sentence. */
export function checkPair(
  encoder: SideConfig,
  decoder: SideConfig,
  { tieEncoderEmbedding, ownVocabularies = false }: PairTerms,
  where: string,
): void {
  if (encoder.vocabularySize !== decoder.vocabularySize && (tieEncoderEmbedding || !ownVocabularies)) {
    throw new CheckpointError(
      `${where}: the encoder's vocabulary has ${encoder.vocabularySize} tokens, the decoder's ${decoder.vocabularySize}; they should be one vocabulary.`,
      {
        code: 'gemma.vocabulary',
        exitCode: 2,
        hint: ownVocabularies
          ? 'Sides with vocabularies of their own have a table each: leave tieEncoderEmbedding out.'
          : 'Take two checkpoints that were made with one tokenizer; vocabularies cannot be joined.',
      },
    );
  }
  if (tieEncoderEmbedding && encoder.hidden !== decoder.hidden) {
    throw new CheckpointError(
      `${where}: the two sides cannot share one embedding table: the encoder's hidden size is ${encoder.hidden}, the decoder's ${decoder.hidden}.`,
      {
        code: 'gemma.tied-widths',
        exitCode: 2,
        hint: 'Leave tieEncoderEmbedding out, or make both sides equally wide.',
      },
    );
  }
  if (decoder.block.crossAttention === 'merged' && encoder.hidden !== decoder.hidden) {
    throw new CheckpointError(
      `${where}: merged attention reads the encoder's states by the decoder's own projections, but the encoder's hidden size is ${encoder.hidden}, the decoder's ${decoder.hidden}.`,
      {
        code: 'gemma.merged-widths',
        exitCode: 2,
        hint: 'Take sides of one width, or cross-attention with projections of its own (crossAttentionForm separate).',
      },
    );
  }
}

/**
 * The published implementation starts sequences with the decoder's token in training and the whole model's in
 * generation.
 */
export function checkStart(fields: ConfigFields, { bosTokenId, vocabularySize }: SideConfig): void {
  const start = fields.token('bos_token_id', vocabularySize, bosTokenId) ?? bosTokenId;
  if (start === bosTokenId) return;
  throw fields.fail(
    'bos_token_id',
    `is ${start}, but the decoder's is ${bosTokenId}; Graft starts a decoder's input with one token`,
  );
}
