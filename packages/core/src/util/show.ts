import { shortened } from '@graft/errors';
import { maskedForMessage } from '../secrets/mask';
import { redact } from '../secrets/redact';

const SHOWN_CHARACTERS = 60;

/** The name of a missing value in messages. */
export const NOTHING = 'nothing';

/** A value in a message: JSON, shortened, secrets masked if their keys reveal them. */
export function show(value: unknown): string {
  if (value === undefined) return NOTHING;
  const json = typeof value === 'function' ? 'a function' : value instanceof Date ? 'a date' : toJson(value);
  // Masked before it is shortened: a partial secret would not be found.
  return shortened(redact(json), SHOWN_CHARACTERS);
}

function toJson(value: unknown): string {
  try {
    return typeof value === 'number' ? String(value) : (JSON.stringify(maskedForMessage(value)) ?? String(value));
  } catch {
    return String(value);
  }
}
