import { types } from 'node:util';

/** Whether a thrown value has a message: an error of this realm or another one, or an object like one. */
export function hasMessage(thrown: unknown): thrown is { readonly message: string } {
  if (types.isNativeError(thrown)) return true;
  return typeof thrown === 'object' && thrown !== null && typeof (thrown as { message?: unknown }).message === 'string';
}

/** The message of an error; for any other thrown value, its text. */
export function messageOf(thrown: unknown): string {
  return hasMessage(thrown) ? thrown.message : String(thrown);
}
