/** Text that the decoder's tokenizer has encoded, for an encoder with a tokenizer of its own. */
import { DataError } from '@graft/engine';
import type { Dataset, Model, SideTokenizers, Tokenizer, TokenizerFacts } from '../interfaces';
import { tokensOfSide } from './special-tokens';

/** The tokenizers of both sides that a component `tokenizer` stands for. */
export function sidesOf(tokenizer: Tokenizer): SideTokenizers {
  return { encoder: tokenizer.encoderSide ?? tokenizer, decoder: tokenizer };
}

/** What a decoder writes for bytes that do not form a character, and a character itself. */
const REPLACEMENT = '\uFFFD';

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
  /** Whether a token consists of whole characters, by its id. */
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
    const found = [0];
    while (found[found.length - 1] < ids.length) found.push(this.endOfUnit(ids, found[found.length - 1]));
    return found;
  }

  /** The boundary inside `ids` that is nearest to `at`, rather before than behind it; undefined if there is none. */
  boundaryNear(ids: ArrayLike<number>, at: number): number | undefined {
    // Characters are found from the last place before `at` where one certainly ends.
    let start = Math.min(at, ids.length);
    while (start > 0 && !(start < ids.length && this.isWhole(ids[start])) && !this.isWhole(ids[start - 1])) start--;
    let before = start;
    while (before < at) {
      const end = this.endOfUnit(ids, before);
      if (end > at) break;
      before = end;
    }
    const behind = before < ids.length ? this.endOfUnit(ids, before) : ids.length;
    const isInside = (place: number): boolean => place > 0 && place < ids.length;
    const near = behind - at < at - before ? [behind, before] : [before, behind];
    return near.find(isInside);
  }

  /**
   * The encoder's ids of the text of `ids[start]` to `ids[end - 1]`, both places of `boundaries`. Pad, start and end
   * tokens become the encoder's. Bytes that belong to no character, because `ids` begin or end with a part of one, are
   * U+FFFD.
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

  /** The text of a stretch without pad, start and end tokens. */
  private textOf(ids: ArrayLike<number>, start: number, end: number): string {
    let text = '';
    for (let at = start; at < end;) {
      let next = at;
      while (next < end && this.isWhole(ids[next])) next++;
      // Some decoders make nothing of a character beside a part of another one.
      if (next === at) next = Math.min(end, this.endOfUnit(ids, at));
      text += this.pieceOf(ids, at, next);
      at = next;
    }
    return text;
  }

  /**
   * A piece of the text. Decoders that remove the first space of a text would do that to each piece, so that it is decoded
   * behind the token before it.
   */
  private pieceOf(ids: ArrayLike<number>, start: number, end: number): string {
    const own = this.decoded(ids, start, end);
    if (start === 0 || !this.isWhole(ids[start - 1]) || this.special.has(ids[start - 1])) return own;
    const before = this.decoded(ids, start - 1, start);
    const whole = this.decoded(ids, start - 1, end);
    const text = whole.slice(before.length);
    return whole.startsWith(before) && text === ` ${own}` ? text : own;
  }

  /** Where the shortest stretch from `start` on ends that consists of whole characters. */
  private endOfUnit(ids: ArrayLike<number>, start: number): number {
    if (this.isWhole(ids[start])) return start + 1;
    let last = start + 1;
    while (last < ids.length && last < start + LONGEST_CHARACTER && !this.isWhole(ids[last])) last++;
    // U+FFFD may be a character of the text, of several bytes; or they never become a character.
    let end = start + 1;
    for (let at = start + 2; at <= last; at++) {
      const text = this.decoded(ids, start, at);
      if (!text.includes(REPLACEMENT)) return at;
      if (text === REPLACEMENT) end = at;
    }
    return end;
  }

  private isWhole(id: number): boolean {
    let is = this.whole.get(id);
    if (is === undefined) {
      is = this.special.has(id) || !this.decoded([id], 0, 1).includes(REPLACEMENT);
      this.whole.set(id, is);
    }
    return is;
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

/** `checkSide` for each side of a model that reads tokens. `what` begins the sentence. */
export function checkTokenizer(
  tokenizer: Tokenizer,
  model: Pick<Model, 'kind' | 'vocabularySize' | 'specialTokens' | 'encoderTokens'>,
  what: string,
): void {
  const { encoder, decoder } = sidesOf(tokenizer);
  if (model.kind === 'encoder-decoder') checkSide(encoder, model, 'encoder', what);
  checkSide(decoder, model, 'decoder', what);
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
