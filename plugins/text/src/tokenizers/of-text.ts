import { DataError } from '@graft/core';

/** Codes of what a tokenizer has against a text, without knowing where that stands. */
const OF_TEXT: readonly string[] = ['tokenizer.excessive', 'tokenizer.old-unicode', 'data.lone-surrogate'];

export const isOfText = (error: unknown): error is DataError =>
  error instanceof DataError && OF_TEXT.includes(error.code);

/** The same error with the place of the text. */
export function atPlace(error: DataError, place: string): DataError {
  const { code, exitCode, hint } = error;
  return new DataError(`${place}: ${error.message}`, { code, exitCode, hint, cause: error });
}
