import { DataError, fieldProblem, type JsonValue } from '@graft/core';
import type { z } from 'zod';

/**
 * A saved position, checked. Throws DataError if it has another form or belongs to other data (`fingerprint`):
 * continuing there would silently repeat some examples and leave out others.
 */
export function parsePosition<S extends z.ZodType<{ data: string }>>(
  schema: S,
  position: JsonValue,
  fingerprint: string,
): z.output<S> {
  const data = (position as { data?: unknown } | null)?.data;
  if (typeof data === 'string' && data !== fingerprint) {
    throw new DataError(
      'The saved data position belongs to other data: files, their sizes or options of the dataset have changed since.',
      {
        code: 'data.position-of-other-data',
        hint: 'Resume with the files and options that the run was started with, or start a new run.',
      },
    );
  }
  const parsed = schema.safeParse(position);
  if (!parsed.success) {
    throw new DataError(`The saved data position is not of this dataset: ${fieldProblem(parsed.error, 'position')}.`, {
      code: 'data.position',
    });
  }
  return parsed.data;
}
