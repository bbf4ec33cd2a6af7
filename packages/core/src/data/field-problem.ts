import { shortened } from '@graft/engine';
import type { z } from 'zod';

const LONGEST = 300;

/** A schema's message without words that are JavaScript's. */
export const plainIssue = (message: string): string =>
  message
    .replace(/^Invalid input: /, '')
    .replace(/received undefined$/, 'found nothing')
    .replace(/received NaN$/, 'found NaN');

/**
 * The first thing that is wrong with a value which a schema does not take, as a clause. `whole`: what the value is called.
 *
 *     fieldProblem(error, 'the row')   ->   'target.span2_text: expected string, found nothing'
 */
export function fieldProblem(error: z.ZodError, whole: string): string {
  const { path, message } = error.issues[0];
  return shortened(`${path.join('.') || whole}: ${plainIssue(message)}`, LONGEST);
}
