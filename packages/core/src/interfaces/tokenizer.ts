/** A token that is not a piece of ordinary text, with its name. */
export interface NamedToken {
  readonly id: number;
  /** As configs and tokenizer files write it: `<eos>`, `<unused7>`. */
  readonly token: string;
  /**
   * `special`: starts, ends, pads or marks text. `unused`: reserved, without a meaning yet. `added`: matched in text as
   * a whole, before anything else: `<table>`, a run of line breaks.
   */
  readonly kind: 'special' | 'unused' | 'added';
}

/**
 * Facts about a tokenizer's ids without the tokenizer: all but `byteLength` are plain data, which can be sent between
 * threads.
 */
export interface TokenizerFacts {
  /** Ids from this number on do not belong to the tokenizer: no text produces them. */
  readonly vocabularySize: number;
  /** All other ids of the vocabulary are pieces of ordinary text. Undefined: unknown. */
  readonly namedTokens?: readonly NamedToken[];
  /** Its special tokens, if known: a run warns if they differ from the model's. */
  readonly padId?: number;
  readonly bosId?: number;
  readonly eosId?: number;
  /**
   * UTF-8 bytes of the text that a token stands for in the middle of a text; 0 for special and unused tokens, and for
   * ids outside the vocabulary. A token may be part of a character. Measures per byte need it. Default: unknown.
   */
  byteLength?(id: number): number;
}

export interface Tokenizer extends TokenizerFacts {
  readonly vocabularySize: number;
  readonly padId: number;
  readonly bosId: number;
  readonly eosId: number;
  /** Ids of the text only, without bos and eos. */
  encode(text: string): Int32Array;
  /** The text of ids. Special tokens are left out unless `keepSpecial` is set. */
  decode(ids: ArrayLike<number>, options?: { keepSpecial?: boolean }): string;
  /**
   * Whether every text may be encoded in two parts between these two characters (code points): `encode(a + b)` is
   * `encode(a)` followed by `encode(b)` whenever `a` ends with `before` and `b` begins with `after`. Long documents are
   * cut at such places and encoded in parts; a tokenizer without this method receives every document whole.
   */
  separates?(before: string, after: string): boolean;
  /**
   * The files that every checkpoint of a run keeps of the tokenizer, by name, so that a checkpoint can be used without the
   * tokenizer's source. Its component can open them again: commands give the option `path`, if there is one, the
   * checkpoint's folder. The run calls it once, in the thread that trains. Default: the files of published tokenizers in
   * the folder that the option `path` names, if any.
   */
  files?(): Promise<Readonly<Record<string, string | Uint8Array>>>;
  /**
   * The tokenizer of what the encoder reads, if it is another one: this one is then the decoder's. `sidesOf` gives
   * both; a dataset that takes a tokenizer for each side says so (`Dataset.tokenizers`).
   */
  readonly encoderSide?: Tokenizer;
}

/** The tokenizers of the two sides of a model; with one for both, the same object twice. */
export interface SideTokenizers {
  /** Of what the encoder reads. */
  readonly encoder: Tokenizer;
  /** Of what the decoder reads and writes. */
  readonly decoder: Tokenizer;
}
