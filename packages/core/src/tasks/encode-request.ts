import { DataError } from '@graft/engine';
import { shortened } from '@graft/errors';
import { modelInput, tokensOfSide } from '../data/special-tokens';
import { sidesOf } from '../data/side-text';
import type { Model, Tokenizer } from '../interfaces';

/** A prompt and one continuation as the model reads them. */
export interface EncodedRequest {
  /** Of the encoder; of a decoder-only model what precedes the continuation, with its start token. At least one. */
  readonly context: Int32Array;
  /** At least one. */
  readonly continuation: Int32Array;
}

/**
 * Encodes a prompt and its continuation. White space at the end of the prompt belongs to the continuation, because most
 * tokenizers attach it to the word that follows.
 *
 * An encoder-decoder reads the two apart: the prompt in the encoder, the continuation in the decoder. A decoder-only
 * model reads one text, and what lies beyond the length of the encoded prompt is the continuation: a tokenizer that
 * merges characters may encode the end of the prompt otherwise when more text follows.
 *
 *     encodeRequest(decoder-only, 'Answer:', ' no')   ->   context [bos, 'Answer:'], continuation [' no']
 *
 * The policy for special tokens decides about the start token. An empty prompt is the start token in any case. Throws
 * DataError for a continuation without a token of its own.
 */
export function encodeRequest(
  model: Model,
  tokenizer: Tokenizer,
  prompt: string,
  continuation: string,
): EncodedRequest {
  const kept = prompt.trimEnd();
  const rest = prompt.slice(kept.length) + continuation;
  const { decoder } = sidesOf(tokenizer);
  if (model.kind !== 'decoder-only')
    return { context: encodePrompt(model, tokenizer, kept), continuation: checked(decoder.encode(rest), rest) };
  const alone = kept === '' ? 0 : decoder.encode(kept).length;
  const whole = decoder.encode(kept + rest);
  return {
    context: orStart(model, modelInput(model, whole.subarray(0, alone))),
    continuation: checked(whole.subarray(alone), rest),
  };
}

function checked(tokens: Int32Array, text: string): Int32Array {
  if (tokens.length > 0) return tokens;
  throw new DataError(`The tokenizer makes no token of the continuation ${JSON.stringify(shortened(text, 60))}.`, {
    code: 'task.empty-continuation',
    hint: 'Its likelihood says nothing; look at the row in the file of the benchmark.',
  });
}

/** How prompts become turns of a conversation. */
export interface Turns {
  /** A prompt as the model's whole text before it answers, by a chat template. */
  readonly textOf: (prompt: string) => string;
  /** What ends an answer, besides the model's own end tokens. */
  readonly endTokens: readonly number[];
  readonly endText?: string;
}

/**
 * As `encodeRequest`, with the prompt as a turn: the continuation is the model's own turn from its start, without the
 * white space that would separate it from a prompt.
 */
export function encodeTurn(
  model: Model,
  tokenizer: Tokenizer,
  { textOf }: Pick<Turns, 'textOf'>,
  { prompt, continuation }: { readonly prompt: string; readonly continuation: string },
): EncodedRequest {
  const said = continuation.trimStart();
  return {
    context: encodePrompt(model, tokenizer, textOf(prompt)),
    continuation: checked(sidesOf(tokenizer).decoder.encode(said), said),
  };
}

/** A prompt as the model reads it: in the encoder, or in front of what a decoder-only model writes. At least one token. */
export function encodePrompt(model: Model, tokenizer: Tokenizer, prompt: string): Int32Array {
  const sides = sidesOf(tokenizer);
  const reads = model.kind === 'decoder-only' ? sides.decoder : sides.encoder;
  return orStart(model, modelInput(model, prompt === '' ? [] : reads.encode(prompt)));
}

function orStart(model: Model, input: Int32Array): Int32Array {
  if (input.length > 0) return input;
  const side = model.kind === 'decoder-only' ? 'decoder' : 'encoder';
  return Int32Array.of(tokensOfSide(model, side).specialTokens.start);
}
