import {
  appendsEos,
  DataError,
  encodeRequest,
  sidesOf,
  specialTokenPolicy,
  type Model,
  type Tokenizer,
} from '@graft/core';
import { shortened } from '@graft/core/internal';
import { encodeExamples, type EncodedExamples, type EncodeOptions } from '../encode-examples';
import { specialsAround } from '../specials-around';
import type { PlacedTextExample } from '../tasks';

/** Examples with what the model reads of them. */
export type EncodedTexts = EncodedExamples<PlacedTextExample>;

/**
 * Texts as the model reads them, with its policy's special tokens around: in the encoder, or in a decoder-only model in
 * front of the answer, which a blank separates from the text. Throws DataError if one is too long (`encodeExamples`).
 */
export function encodeTexts(
  examples: readonly PlacedTextExample[],
  { model, tokenizer }: { readonly model: Model; readonly tokenizer: Tokenizer },
  options: Pick<EncodeOptions, 'maxTokens' | 'longInputs'>,
  all = examples,
): EncodedTexts {
  const isOne = model.kind === 'decoder-only';
  const { encoder, decoder } = sidesOf(tokenizer);
  const appendEos = !isOne && specialTokenPolicy(model).encoder.eos === true;
  const around = specialsAround(model, { appendEos });
  const read = (texts: readonly PlacedTextExample[]): readonly PlacedTextExample[] =>
    isOne ? texts.map(withoutFinalBlanks) : texts;
  return encodeExamples(read(examples), isOne ? decoder : encoder, { ...options, ...around }, read(all));
}

function withoutFinalBlanks(example: PlacedTextExample): PlacedTextExample {
  const last = example.parts.length - 1;
  return {
    ...example,
    parts: example.parts.map((part, i) => (i === last ? { ...part, text: part.text.trimEnd() } : part)),
  };
}

/** The model's end token, which ends every answer. Throws DataError if it has none, or its policy does not want it. */
export function endToken(model: Model): number {
  const [end] = model.specialTokens.eos;
  if (end !== undefined && appendsEos(specialTokenPolicy(model), 'decoder', true)) return end;
  throw new DataError(
    `Mode leaderboard lets the model write answers, which end with its end token, but ${end === undefined ? 'it has none' : 'its specialTokens.decoder.eos is false'}.`,
    {
      code: 'superglue.no-end',
      exitCode: 2,
      hint: end === undefined ? 'Name one (model.eosTokenId).' : 'Leave specialTokens.decoder.eos out.',
    },
  );
}

/**
 * An answer as the decoder writes it, with its end token. In a decoder-only model it follows the text, of which a tokenizer
 * may merge the last word with what comes behind.
 */
export function encodeAnswer(
  { parts, place }: PlacedTextExample,
  answer: string,
  { model, tokenizer }: { readonly model: Model; readonly tokenizer: Tokenizer },
): Int32Array {
  const lastWord = /\S*$/.exec(parts[parts.length - 1].text.trimEnd())![0];
  const tokens =
    model.kind === 'decoder-only'
      ? encodeRequest(model, tokenizer, lastWord, ` ${answer}`).continuation
      : sidesOf(tokenizer).decoder.encode(answer);
  if (tokens.length > 0) return Int32Array.of(...tokens, endToken(model));
  throw new DataError(
    `${place.file}:${place.line}: the tokenizer makes no token of the answer ${JSON.stringify(shortened(answer, 60))}, so that nothing can be learnt from it.`,
    { code: 'superglue.no-answer', exitCode: 2, hint: 'Look at the row, or take another tokenizer.' },
  );
}
