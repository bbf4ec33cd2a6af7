import { AddedTokenFinder, readAddedTokens, type AddedToken } from './added-tokens';
import { Bpe } from './bpe';
import { checkKnown, checkWellFormed } from './characters';
import { createDecoder } from './decoders';
import { checkComponents } from './limits';
import { createModel, type Model } from './models';
import { createNormalizer } from './normalizers';
import type { Normalizer } from './normalizer';
import type { OnigurumaParser } from './oniguruma';
import { createPreTokenizer, type PreTokenizer } from './pre-tokenizers';
import { decoderTypes, tokenBytes } from './token-bytes';
import { partOf, Unsupported, type Part } from './unsupported';
import { WordCache } from './word-cache';
import { WordCutter } from './word-cutter';

/** The cache keeps at most twice as many, about 10 MB, however long a text is. */
const WORDS_KEPT = 1 << 15;
const LONGEST_KEPT = 64;

/** The ids that the published library gives to added tokens: the vocabulary's, or the next free one. */
function checkIds(tokens: readonly AddedToken[], vocabulary: ReadonlyMap<string, number>): void {
  const given = new Map<string, number>();
  let next = vocabulary.size;
  for (const { content, id } of tokens) {
    const expected = given.get(content) ?? vocabulary.get(content) ?? next++;
    if (expected !== id)
      throw new Unsupported(
        `added token ${JSON.stringify(content)}`,
        `its id is ${id}, but the published library would give it ${expected}`,
      );
    given.set(content, id);
  }
}

/**
 * A tokenizer.json, step by step: added tokens are found, the text between them is normalized and split into pieces,
 * and each piece into tokens. The ids are those of the published library, or the file is refused.
 */
export class TokenizerPipeline {
  readonly model: Model;
  readonly added: readonly AddedToken[];
  private readonly normalizer: Normalizer | undefined;
  private readonly preTokenizer: PreTokenizer | undefined;
  private readonly decoder: ReturnType<typeof createDecoder>;
  private readonly decoderTypes: readonly string[];
  private readonly bytes: (number | undefined)[] = [];
  /** Tokens found in the original text, and in the normalized text. */
  private readonly early: AddedTokenFinder;
  private readonly late: AddedTokenFinder;
  private readonly words: WordCache;
  private readonly cutter: WordCutter | undefined;
  private readonly tokens: (string | undefined)[] = [];
  /** Spellings for the decoders: an added token that is searched for in normalized text has its normalized spelling. */
  private readonly spellings = new Map<number, string>();
  private readonly specialTexts: ReadonlySet<string>;
  private readonly addedIds = new Map<string, number>();

  /** Throws Unsupported for parts that cannot be followed exactly. */
  constructor(file: Part, parse: OnigurumaParser) {
    checkComponents(file);
    this.normalizer = createNormalizer(file.normalizer, parse);
    this.preTokenizer = createPreTokenizer(file.pre_tokenizer, parse, this.normalizer?.dropsCharacters ?? false);
    this.model = createModel(partOf(file.model, 'model'));
    this.decoder = createDecoder(file.decoder, parse);
    this.decoderTypes = decoderTypes(file.decoder);
    this.added = readAddedTokens(file.added_tokens).filter(({ content }) => content !== '');
    checkIds(this.added, this.model.vocabulary);
    const spelled = (token: AddedToken): string =>
      token.normalized && this.normalizer ? this.normalizer.normalize(token.content) : token.content;
    const finder = (isLate: boolean): AddedTokenFinder =>
      new AddedTokenFinder(
        this.added.filter(({ normalized }) => normalized === isLate).map((token) => [spelled(token), token]),
      );
    this.early = finder(false);
    this.late = finder(true);
    for (const [token, id] of this.model.vocabulary) this.tokens[id] = token;
    for (const token of this.added) {
      this.addedIds.set(token.content, token.id);
      this.tokens[token.id] = token.content;
      this.spellings.set(token.id, spelled(token));
    }
    this.specialTexts = new Set(this.added.filter(({ special }) => special).map(({ content }) => content));
    const { model } = this;
    this.words = new WordCache((word) => model.encode(word), WORDS_KEPT, LONGEST_KEPT);
    this.cutter = model instanceof Bpe ? new WordCutter(model) : undefined;
  }

  get isBpe(): boolean {
    return this.model instanceof Bpe;
  }

  /** All ids are below this. */
  get size(): number {
    return this.tokens.length;
  }

  /** By id; undefined if an id is free. */
  get allTokens(): readonly (string | undefined)[] {
    return this.tokens;
  }

  token(id: number): string | undefined {
    return this.tokens[id];
  }

  idOf(token: string): number | undefined {
    return this.addedIds.get(token) ?? this.model.vocabulary.get(token);
  }

  /** Throws DataError for text that is not well-formed. */
  encode(text: string): Int32Array {
    checkWellFormed(text);
    checkKnown(text);
    const ids: number[] = [];
    const take = (id: number): void => void ids.push(id);
    const takeWord = (word: string): void => {
      for (const id of this.words.get(word)) ids.push(id);
    };
    const takePiece = (piece: string): void => (this.cutter ? this.cutter.each(piece, takeWord) : takeWord(piece));
    this.early.each(text, take, (section, start) => {
      const normal = this.normalizer ? this.normalizer.normalize(section) : section;
      this.late.each(normal, take, (part, offset) => {
        if (!this.preTokenizer) return takePiece(part);
        for (const piece of this.preTokenizer.split(part, start === 0 && offset === 0)) takePiece(piece);
      });
    });
    return Int32Array.from(ids);
  }

  /**
   * Whether any text may be encoded in two parts between these characters: the ids of one followed by those of the
   * other are those of the whole, whatever the text before and after.
   */
  separates(before: string, after: string): boolean {
    if (!this.early.separates(before, after)) return false;
    const normal = this.normalizer ? this.normalizer.sides(before, after) : ([before, after] as const);
    if (!normal || !this.late.separates(...normal)) return false;
    const border = this.preTokenizer ? this.preTokenizer.border(...normal) : { isCut: false, sides: normal };
    if (!border) return false;
    return border.isCut || this.cutter?.separates(...border.sides) === true;
  }

  /** UTF-8 bytes of the text that a token stands for; 0 for an id outside the vocabulary. */
  byteLength(id: number): number {
    const token = this.spellings.get(id) ?? this.tokens[id];
    if (token === undefined) return 0;
    return (this.bytes[id] ??= tokenBytes(token, this.decoder, this.decoderTypes));
  }

  decode(ids: ArrayLike<number>, keepSpecial: boolean): string {
    const tokens: string[] = [];
    for (let i = 0; i < ids.length; i++) {
      const token = this.spellings.get(ids[i]) ?? this.tokens[ids[i]];
      if (token !== undefined && (keepSpecial || !this.specialTexts.has(token))) tokens.push(token);
    }
    return this.decoder ? this.decoder(tokens).join('') : tokens.join(' ');
  }
}
