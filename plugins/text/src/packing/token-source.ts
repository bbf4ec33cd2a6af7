import { DataError, type JsonValue } from '@graft/core';

/** Where a source stands: JSON, with the pass over the data that it belongs to. */
export type Cursor = { readonly epoch: number } & { readonly [key: string]: JsonValue };

export interface TokenChunk<C extends Cursor> {
  /** May be empty. */
  readonly tokens: Int32Array;
  /** Whether a document ends with it. */
  readonly endsDocument: boolean;
  /** Where the chunk after this one begins. */
  readonly next: C;
}

/**
 * A text as one long row of tokens, pass after pass, read in chunks. `read` is a pure function of the cursor: that is what
 * lets a position be saved anywhere and found again without going through what lies before it.
 */
export interface TokenSource<C extends Cursor = Cursor> {
  readonly start: C;
  /** Undefined at the end of data that do not repeat. */
  read(cursor: C): Promise<TokenChunk<C> | undefined>;
  dispose?(): void;
}

/** Of data that repeat, but would do so for ever without giving anything. */
export function noText(): DataError {
  return new DataError('The dataset holds no text: a whole pass over its files gave no token.', {
    code: 'data.empty',
    hint: 'Look at the files, and at the fraction held out.',
  });
}

/**
 * Throws DataError where more tokens of a chunk are used up than it has: a position of a version that read it in other parts,
 * or made other tokens of it.
 */
export function checkUsed({ tokens }: Pick<TokenChunk<Cursor>, 'tokens'>, used: number): void {
  if (used <= tokens.length) return;
  throw new DataError(
    `The saved data position lies ${used} tokens into a part of a document that has ${tokens.length}: it was saved by another version of Graft, or of the tokenizer.`,
    { code: 'data.position', hint: 'Start a new run; its parameters can be initialized from the checkpoint.' },
  );
}

/** A document's tokens with the end-of-sequence token behind them. */
export function withEos(tokens: Int32Array, eosId: number): Int32Array {
  const result = new Int32Array(tokens.length + 1);
  result.set(tokens);
  result[tokens.length] = eosId;
  return result;
}
