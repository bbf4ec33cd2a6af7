import { sidesOf, type Dataset, type Tokenizer } from '@graft/core';

/** The dataset, with the tokenizer that its ids come from, and with those of both sides if these are two. */
export function withTokenizer(dataset: Dataset, tokenizer: Tokenizer): Dataset {
  return Object.assign(dataset, { tokenizer, ...(tokenizer.encoderSide && { tokenizers: sidesOf(tokenizer) }) });
}

/**
 * What a fingerprint of data has of the tokenizer. With one tokenizer it is what earlier versions had, whose positions
 * remain valid.
 */
export function vocabularies({ vocabularySize, encoderSide }: Tokenizer): number | readonly number[] {
  return encoderSide ? [vocabularySize, encoderSide.vocabularySize] : vocabularySize;
}
