import type { HostFields, Model, Tokenizer } from '@graft/core';
import type { CommandContext } from '../commands/shared/context';
import { textBatches } from './texts';

/** Prints which special tokens surround a model's input, and warns if its tokenizer has others. */
export async function noteSpecialTokens(
  context: CommandContext,
  model: Pick<Model, 'kind' | 'specialTokens'>,
  tokenizer: Tokenizer,
): Promise<void> {
  const { tokenizerClash } = await import('@graft/core');
  const { describeSpecialTokens } = await import('@graft/core/internal');
  context.note(describeSpecialTokens(model));
  const clash = tokenizerClash(tokenizer, model);
  if (clash !== undefined) context.note(clash);
}

/** Batches of texts as the model's inputs. */
export async function readTextsFor(
  context: CommandContext,
  model: Pick<Model, 'kind' | 'specialTokens'>,
  tokenizer: Tokenizer,
  texts: readonly string[],
  batchSize: number,
): Promise<Iterable<HostFields>> {
  await noteSpecialTokens(context, model, tokenizer);
  const { modelInput } = await import('@graft/core');
  const { pad } = model.specialTokens;
  return textBatches(texts, { tokenizer, batchSize, pad, read: (tokens) => modelInput(model, tokens) });
}
