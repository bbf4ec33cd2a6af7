import { hasMessage } from '@graft/errors';
import { show } from './show';

/**
 * Why something failed, as a clause of a sentence: its own full stop is removed. Third-party code may throw anything;
 * an error of another realm is recognized by its shape.
 */
export function reasonOf(thrown: unknown): string {
  const text =
    typeof thrown === 'string'
      ? thrown
      : hasMessage(thrown)
        ? thrown.message
        : `it threw ${show(thrown)}, which is not an error`;
  return text.trim().replace(/[.:]$/, '').trimEnd() || 'it gives no reason';
}
