/** Sequences in the decoder's ids, of which the encoder reads a part by a tokenizer of its own. */
import { DataError, SideText, type Model, type ObjectiveContext } from '@graft/core';

/** A sequence of tokens that an objective divides into what the encoder reads and what the decoder writes. */
export interface DividedText {
  /** The place nearest to `at` where the sequence may be divided, with something on either side. */
  cutNear(at: number): number;
  /** What the encoder reads of the tokens from `start` to `end` - 1. */
  read(start: number, end: number): ArrayLike<number>;
  /** All places where it may be divided, 0 and the length included; undefined: between any two tokens. */
  readonly boundaries?: readonly number[];
}

/**
 * A sequence of a dataset. With one tokenizer it is divided between any two tokens, and the encoder reads them as they
 * are. With two, it is divided between characters alone, and the encoder reads the same text by its own tokenizer (unless
 * the model has one table for both sides). `where` names the sequence in errors.
 */
export function dividedText(
  tokens: Int32Array,
  { model, tokenizers }: Pick<ObjectiveContext, 'model' | 'tokenizers'>,
  where: string,
): DividedText {
  if (!tokenizers) return { cutNear: (at) => at, read: (start, end) => tokens.subarray(start, end) };
  const text = SideText.of(tokenizers);
  return {
    get boundaries() {
      return text.boundaries(tokens);
    },
    cutNear(at) {
      const cut = text.boundaryNear(tokens, at);
      if (cut !== undefined) return cut;
      throw new DataError(`${where} is a single character of ${tokens.length} tokens, which cannot be divided.`, {
        code: 'data.too-short',
      });
    },
    read: (start, end) => (model.encoderTokens ? text.encode(tokens, start, end) : tokens.subarray(start, end)),
  };
}

/** Throws DataError if the encoder's tokenizer makes nothing of the text that it is to read. */
export function someSource(source: ArrayLike<number>, where: string): ArrayLike<number> {
  if (source.length > 0) return source;
  throw new DataError(`${where}: the encoder's tokenizer gives no token for what the encoder is to read.`, {
    code: 'data.empty',
  });
}

/**
 * The same model as if its encoder read the decoder's ids. A teacher, which has only these, is shown what such a model
 * reads.
 */
export function inDecoderIds(model: Model): Model {
  return model.encoderTokens
    ? (Object.create(model, { encoderTokens: { value: undefined, enumerable: true } }) as Model)
    : model;
}
