import type { Dataset, TokenizerFacts } from '@graft/core';

/** The dataset, which tells from now on whose ids its items are. */
export function withTokenizer(dataset: Dataset, tokenizer: TokenizerFacts): Dataset {
  return Object.assign(dataset, { tokenizer });
}
