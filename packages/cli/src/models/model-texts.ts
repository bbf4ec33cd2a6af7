import type { HostFields, Model, SideTokenizers, Tokenizer } from '@graft/core';
import type { CommandContext } from '../commands/shared/context';
import { textBatches } from './texts';

type TextModel = Pick<Model, 'kind' | 'vocabularySize' | 'specialTokens' | 'encoderTokens'>;

/**
 * Prints which special tokens surround a model's input, and warns if its tokenizers have others. Throws DataError if they
 * have more tokens than the model.
 */
export async function noteSpecialTokens(
  context: CommandContext,
  model: TextModel,
  { encoder, decoder }: SideTokenizers,
): Promise<void> {
  const { checkSides, tokenizerClash } = await import('@graft/core');
  const { describeSpecialTokens } = await import('@graft/core/internal');
  const isTwo = encoder !== decoder;
  const tokenizers = isTwo ? { encoder, decoder } : undefined;
  checkSides({ tokenizer: decoder, tokenizers }, model, 'The texts', '--encoder-tokenizer and --tokenizer');
  context.note(describeSpecialTokens(model));
  const clash = tokenizerClash(decoder, model, isTwo ? encoder : undefined);
  if (clash !== undefined) context.note(clash);
}

/** Batches of texts as the model's inputs; `tokenizer`: of the side that reads them. */
export async function readTextsFor(
  context: CommandContext,
  model: TextModel,
  tokenizer: Tokenizer,
  texts: readonly string[],
  batchSize: number,
): Promise<Iterable<HostFields>> {
  const { modelInput, tokenizerClash, tokensOfSide } = await import('@graft/core');
  const { describeSpecialTokens } = await import('@graft/core/internal');
  context.note(describeSpecialTokens(model));
  const side = tokensOfSide(model, 'encoder');
  const clash = tokenizerClash(tokenizer, { kind: model.kind, specialTokens: side.specialTokens });
  if (clash !== undefined) context.note(clash);
  const { pad } = side.specialTokens;
  return textBatches(texts, { tokenizer, batchSize, pad, read: (tokens) => modelInput(model, tokens) });
}
