import type { Dataset, TokenizerFacts } from '@graft/core';

/** The dataset, with the tokenizer that its ids come from. */
export function withTokenizer(dataset: Dataset, tokenizer: TokenizerFacts): Dataset {
  return Object.assign(dataset, { tokenizer });
}
