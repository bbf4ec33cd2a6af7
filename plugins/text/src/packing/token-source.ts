import { DataError, type JsonValue } from '@graft/core';

/** Position of a source: JSON, with its epoch. */
export type Cursor = { readonly epoch: number } & { readonly [key: string]: JsonValue };

/** Tokens of a source, and where to continue. */
export interface TokenChunk<C extends Cursor> {
  /** May be empty. */
  readonly tokens: Int32Array;
  /** Whether a document ends with it. */
  readonly endsDocument: boolean;
  /** Where the chunk after this one begins. */
  readonly next: C;
}

/**
 * A text as one long sequence of tokens, epoch after epoch, read in chunks. `read` is a pure function of the cursor: so
 * a position can be saved anywhere and found again without reading what precedes it.
 */
export interface TokenSource<C extends Cursor = Cursor> {
  readonly start: C;
  /** Undefined at the end of data that do not repeat. */
  read(cursor: C): Promise<TokenChunk<C> | undefined>;
  dispose?(): void;
}

/** For data that repeat, but would do so forever without giving anything. */
export function noText(): DataError {
  return new DataError('The dataset holds no text: a whole pass over its files gave no token.', {
    code: 'data.empty',
    exitCode: 2,
    hint: 'Look at the files, and at the fraction held out (split.holdOut).',
  });
}

/**
 * Throws DataError if more tokens of a chunk are used than it has: the position is from a version that split the text
 * differently or gave other tokens.
 */
export function checkUsed({ tokens }: Pick<TokenChunk<Cursor>, 'tokens'>, used: number): void {
  if (used <= tokens.length) return;
  throw new DataError(
    `The saved data position lies ${used} tokens into a part of a document that has ${tokens.length}: it was saved by another version of Graft, or of the tokenizer.`,
    { code: 'data.position', hint: 'Start a new run; its parameters can be initialized from the checkpoint.' },
  );
}

/** A document's tokens with the end-of-sequence token after them. */
export function withEos(tokens: Int32Array, eosId: number): Int32Array {
  const result = new Int32Array(tokens.length + 1);
  result.set(tokens);
  result[tokens.length] = eosId;
  return result;
}
