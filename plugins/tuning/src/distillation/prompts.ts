import { DataError, modelInput, type HostFields, type Model } from '@graft/core';

/**
 * What a decoder-only model reads of an example before it writes: the source, after the start token that its policy asks
 * for. Throws DataError, naming the example, if that is nothing, or more than `limit` tokens.
 */
export function promptTokens(
  { source }: HostFields,
  model: Model,
  limit: number | undefined,
  where: string,
): Int32Array {
  const prompt = modelInput(model, source.values);
  if (prompt.length === 0) throw new DataError(`${where}: "source" is empty.`, { code: 'data.empty' });
  if (limit === undefined || prompt.length <= limit) return prompt;
  throw new DataError(
    `${where}: "source" has ${prompt.length} tokens with its start token, but objective.maxSourceTokens is ${limit}.`,
    { code: 'data.too-long', exitCode: 2, hint: `Set objective.maxSourceTokens to ${prompt.length} or more.` },
  );
}
