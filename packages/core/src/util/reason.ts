import { types } from 'node:util';
import { show } from './show';

/**
 * Why something failed, as a clause of a sentence: its own full stop is removed. Third-party code may throw anything;
 * an error of another realm is recognized by its shape.
 */
export function reasonOf(thrown: unknown): string {
  const text =
    typeof thrown === 'string'
      ? thrown
      : types.isNativeError(thrown) || hasMessage(thrown)
        ? thrown.message
        : `it threw ${show(thrown)}, which is not an error`;
  return text.trim().replace(/[.:]$/, '').trimEnd() || 'it gives no reason';
}

function hasMessage(thrown: unknown): thrown is { readonly message: string } {
  return typeof thrown === 'object' && thrown !== null && typeof (thrown as { message?: unknown }).message === 'string';
}
