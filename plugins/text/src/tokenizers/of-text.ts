import { DataError } from '@graft/core';

/** Codes of a tokenizer's errors about a text, which do not know the place of that text. */
const OF_TEXT: readonly string[] = ['tokenizer.excessive', 'tokenizer.old-unicode', 'data.lone-surrogate'];

export const isOfText = (error: unknown): error is DataError =>
  error instanceof DataError && OF_TEXT.includes(error.code);

/** The same error with the place of the text. */
export function atPlace(error: DataError, place: string): DataError {
  const { code, exitCode, hint } = error;
  return new DataError(`${place}: ${error.message}`, { code, exitCode, hint, cause: error });
}
