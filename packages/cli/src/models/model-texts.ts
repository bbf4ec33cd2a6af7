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
  const isTwo = encoder !== decoder;
  const tokenizers = isTwo ? { encoder, decoder } : undefined;
  checkSides({ tokenizer: decoder, tokenizers }, model, 'The texts', '--encoder-tokenizer and --tokenizer');
  await note(context, model, tokenizerClash(decoder, model, isTwo ? encoder : undefined));
}

async function note(context: CommandContext, model: TextModel, clash: string | undefined): Promise<void> {
  const { describeSpecialTokens } = await import('@graft/core/internal');
  context.note(describeSpecialTokens(model));
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
  const { specialTokens } = tokensOfSide(model, 'encoder');
  await note(context, model, tokenizerClash(tokenizer, { kind: model.kind, specialTokens }));
  const { pad } = specialTokens;
  return textBatches(texts, { tokenizer, batchSize, pad, read: (tokens) => modelInput(model, tokens) });
}
