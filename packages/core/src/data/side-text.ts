/** Text that the decoder's tokenizer has encoded, for an encoder with a tokenizer of its own. */
import { DataError } from '@graft/engine';
import type { Dataset, Model, SideTokenizers, Tokenizer, TokenizerFacts } from '../interfaces';
import { tokensOfSide } from './special-tokens';

/** The tokenizers of both sides that a component `tokenizer` stands for. */
export function sidesOf(tokenizer: Tokenizer): SideTokenizers {
  return { encoder: tokenizer.encoderSide ?? tokenizer, decoder: tokenizer };
}

/** What a decoder writes for bytes that are not (yet) a character. */
const INCOMPLETE = '\uFFFD';

/** A character has at most this many bytes, and each may be a token. */
const LONGEST_CHARACTER = 4;

/**
 * What the encoder reads of a text in the decoder's ids. The text is decoded and encoded again, stretch by stretch, and
 * stretches begin and end only between characters: what the encoder's ids of one stretch and the decoder's ids of the
 * rest spell is the text, unchanged.
 *
 *     the decoder's ids of "né" are n, c3, a9       boundaries 0, 1, 3: "é" is never divided
 */
export class SideText {
  private readonly special: ReadonlyMap<number, number>;
  /** Whether a character ends with a token, by its id. */
  private readonly whole = new Map<number, boolean>();

  private static readonly made = new WeakMap<SideTokenizers, SideText>();

  /** The same object for the same tokenizers, because it remembers what it learns of their tokens. */
  static of(tokenizers: SideTokenizers): SideText {
    let found = SideText.made.get(tokenizers);
    if (!found) SideText.made.set(tokenizers, (found = new SideText(tokenizers)));
    return found;
  }

  private constructor(private readonly tokenizers: SideTokenizers) {
    const { encoder, decoder } = tokenizers;
    this.special = new Map([
      [decoder.padId, encoder.padId],
      [decoder.bosId, encoder.bosId],
      // Last, because some tokenizers pad with their end token.
      [decoder.eosId, encoder.eosId],
    ]);
  }

  /**
   * The places where the text may be divided, in increasing order: 0, places between tokens that are between characters
   * too, and the length of `ids`.
   */
  boundaries(ids: ArrayLike<number>): number[] {
    return Array.from({ length: ids.length + 1 }, (_, at) => at).filter((at) => this.isBoundary(ids, at));
  }

  /**
   * Whether the text may be divided before `ids[at]`. Bytes that belong to no character, because `ids` begin or end with
   * a part of one, are decoded as U+FFFD.
   */
  isBoundary(ids: ArrayLike<number>, at: number): boolean {
    if (at <= 0 || at >= ids.length || this.endsCharacter(ids[at - 1]) || this.special.has(ids[at])) return true;
    const [low, high] = [Math.max(0, at - LONGEST_CHARACTER), Math.min(ids.length, at + LONGEST_CHARACTER)];
    const before = this.decoded(ids, low, at);
    if (!before.endsWith(INCOMPLETE)) return true;
    // U+FFFD may also be a character of the text, or stand for bytes that never become one.
    return before + this.decoded(ids, at, high) === this.decoded(ids, low, high);
  }

  /** The boundary inside `ids` that is nearest to `at`, rather before than behind it; undefined if there is none. */
  boundaryNear(ids: ArrayLike<number>, at: number): number | undefined {
    for (let distance = 0; distance < ids.length; distance++)
      for (const place of [at - distance, at + distance])
        if (place > 0 && place < ids.length && this.isBoundary(ids, place)) return place;
    return undefined;
  }

  /**
   * The encoder's ids of the text of `ids[start]` to `ids[end - 1]`, both places of `boundaries`. Pad, start and end
   * tokens become the encoder's.
   */
  encode(ids: ArrayLike<number>, start = 0, end = ids.length): number[] {
    const encoded: number[] = [];
    let from = start;
    for (let at = start; at <= end; at++) {
      const special = at === end ? undefined : this.special.get(ids[at]);
      if (at < end && special === undefined) continue;
      for (const id of this.tokenizers.encoder.encode(this.textOf(ids, from, at))) encoded.push(id);
      if (special !== undefined) encoded.push(special);
      from = at + 1;
    }
    return encoded;
  }

  /**
   * The text of a stretch without pad, start and end tokens. Decoders that remove the first space of a text would do that
   * to each stretch, so that it is decoded behind the token before it.
   */
  private textOf(ids: ArrayLike<number>, start: number, end: number): string {
    if (start === end) return '';
    const own = this.decoded(ids, start, end);
    if (start === 0 || this.special.has(ids[start - 1])) return own;
    const before = this.decoded(ids, start - 1, start);
    const whole = this.decoded(ids, start - 1, end);
    const text = whole.slice(before.length);
    // Otherwise the token before it ends a character that begins further ahead.
    return whole.startsWith(before) && text.endsWith(own) ? text : own;
  }

  private endsCharacter(id: number): boolean {
    let ends = this.whole.get(id);
    if (ends === undefined) {
      ends = this.special.has(id) || !this.decoded([id], 0, 1).endsWith(INCOMPLETE);
      this.whole.set(id, ends);
    }
    return ends;
  }

  private decoded(ids: ArrayLike<number>, start: number, end: number): string {
    return this.tokenizers.decoder.decode(Array.prototype.slice.call(ids, start, end) as number[], {
      keepSpecial: true,
    });
  }
}

const refuse = (message: string, hint: string): DataError =>
  new DataError(message, { code: 'data.sides', exitCode: 2, hint });

/**
 * Throws DataError, with the sizes or the names that clash, if a dataset and a model do not agree on whether the encoder
 * has a tokenizer of its own, or if a side's vocabulary has fewer tokens than its tokenizer. `what` begins the sentence;
 * `howToName` tells how to name a tokenizer for each side.
 */
export function checkSides(
  { tokenizer, tokenizers }: Pick<Dataset, 'tokenizer' | 'tokenizers'>,
  model: Pick<Model, 'kind' | 'vocabularySize' | 'specialTokens' | 'encoderTokens'>,
  what = 'The data',
  howToName = 'tokenizer: { encoder: { … }, decoder: { … } }',
): void {
  const { encoderTokens } = model;
  if (tokenizers) {
    if (model.kind !== 'encoder-decoder')
      throw refuse(
        `${what} have a tokenizer for each side, but the model is ${model.kind}.`,
        `Name one tokenizer: that of the ${model.kind === 'encoder-only' ? 'encoder' : 'decoder'}.`,
      );
    if (!encoderTokens)
      throw refuse(
        `${what} have a tokenizer for each side, but the model's sides share one embedding table, of ${model.vocabularySize} tokens.`,
        'Name one tokenizer, or take a model whose encoder has a table of its own.',
      );
    const hint = isSwapped(tokenizers, model)
      ? "The two tokenizers fit the other way round: each side's should be that of its checkpoint."
      : undefined;
    for (const side of ['encoder', 'decoder'] as const) checkSide(tokenizers[side], model, side, what, hint);
    return;
  }
  if (model.kind !== 'encoder-decoder' || !encoderTokens || !tokenizer) return;
  const sizes = [encoderTokens.vocabularySize, model.vocabularySize] as const;
  const needed = neededTokens(tokenizer);
  if (needed <= Math.min(...sizes) || sizes[0] === sizes[1]) return;
  throw refuse(
    `${what} have one tokenizer, of ${needed} tokens, but the encoder's vocabulary has ${sizes[0]} and the decoder's ${sizes[1]}.`,
    `Name one for each side: ${howToName}.`,
  );
}

/**
 * Throws DataError, with both sizes, if a tokenizer makes tokens of text that the side of the model which reads them does
 * not have. `what` begins the sentence.
 */
export function checkSide(
  tokenizer: TokenizerFacts,
  model: Pick<Model, 'vocabularySize' | 'specialTokens' | 'encoderTokens'>,
  side: 'encoder' | 'decoder',
  what = 'The data',
  hint = `Take the tokenizer of the ${side}'s checkpoint.`,
): void {
  const { vocabularySize } = tokensOfSide(model, side);
  const needed = neededTokens(tokenizer);
  if (needed <= vocabularySize) return;
  throw refuse(
    `${what}: the ${side}'s tokenizer makes ${needed} different tokens of text, but the ${side}'s vocabulary has ${vocabularySize}.`,
    hint,
  );
}

/**
 * How many tokens a model must have for every ordinary text: published tokenizers have special tokens at their end for
 * which the model of texts has no row, such as Gemma 3's for images.
 */
function neededTokens({ vocabularySize, namedTokens = [] }: TokenizerFacts): number {
  const named = new Set(namedTokens.map(({ id }) => id));
  let needed = vocabularySize;
  while (needed > 0 && named.has(needed - 1)) needed--;
  return needed;
}

function isSwapped(
  { encoder, decoder }: SideTokenizers,
  model: Pick<Model, 'vocabularySize' | 'specialTokens' | 'encoderTokens'>,
): boolean {
  return (
    neededTokens(decoder) <= tokensOfSide(model, 'encoder').vocabularySize &&
    neededTokens(encoder) <= tokensOfSide(model, 'decoder').vocabularySize
  );
}
