import type { NamedToken } from '@graft/core';

/** An entry of `added_tokens` in a tokenizer.json. */
export interface AddedTokenEntry {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/** Names of unused tokens in vocabularies: Gemma's, T5's, Llama 3's, BERT's. */
const UNUSED = /^(?:<unused\d+>|<extra_id_\d+>|<\|reserved_special_token_\d+\|>|\[unused\d+\])$/;

/**
 * Added tokens, and those of the vocabulary (tokens by id) whose name is that of an unused token though they are not
 * added: Gemma 2 has one such among its hundred. In the order of their ids.
 */
export function namedTokensOf(
  added: readonly AddedTokenEntry[],
  vocabulary: readonly (string | undefined)[],
): readonly NamedToken[] {
  const named = new Map<number, NamedToken>();
  vocabulary.forEach((token, id) => {
    if (token !== undefined && UNUSED.test(token)) named.set(id, { id, token, kind: 'unused' });
  });
  for (const { id, content: token, special } of added) {
    const kind = UNUSED.test(token) ? 'unused' : special ? 'special' : 'added';
    named.set(id, { id, token, kind });
  }
  return [...named.values()].sort((a, b) => a.id - b.id);
}
