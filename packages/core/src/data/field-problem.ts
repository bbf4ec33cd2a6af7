import { shortened } from '@graft/errors';
import type { z } from 'zod';

const LONGEST = 300;

/** A schema's message without JavaScript's terms. */
export const plainIssue = (message: string): string =>
  message
    .replace(/^Invalid input: /, '')
    .replace(/received undefined$/, 'found nothing')
    .replace(/received NaN$/, 'found NaN');

/**
 * The first problem of a value that a schema rejects, as a clause. `whole`: the name of the value.
 *
 *     fieldProblem(error, 'the row')   ->   'target.span2_text: expected string, found nothing'
 */
export function fieldProblem(error: z.ZodError, whole: string): string {
  const { path, message } = error.issues[0];
  return shortened(`${path.join('.') || whole}: ${plainIssue(message)}`, LONGEST);
}
