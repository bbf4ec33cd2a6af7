import { types } from 'node:util';

/** Whether something thrown has a message: an error, of this realm or of another one, or what is made like one. */
export function hasMessage(thrown: unknown): thrown is { readonly message: string } {
  if (types.isNativeError(thrown)) return true;
  return typeof thrown === 'object' && thrown !== null && typeof (thrown as { message?: unknown }).message === 'string';
}

/** The message of an error; of anything else that was thrown its text. */
export function messageOf(thrown: unknown): string {
  return hasMessage(thrown) ? thrown.message : String(thrown);
}
