import { z } from 'zod';
import { fieldProblem } from './field-problem';

const schema = z.strictObject({ a: z.object({ b: z.string() }).optional(), n: z.number().optional() });
const problem = (value: unknown): string => fieldProblem(schema.safeParse(value).error!, 'the row');

it.each<[unknown, string]>([
  [{ a: {} }, 'a.b: expected string, found nothing'],
  [{ a: { b: 3 } }, 'a.b: expected string, received number'],
  [{ n: NaN }, 'n: expected number, found NaN'],
  [undefined, 'the row: expected object, found nothing'],
])('the problem of %j is one clause', (value, expected) => expect(problem(value)).toBe(expected));

it('a long key is shortened in the clause', () => {
  expect(problem({ ['x'.repeat(5000)]: 1 })).toHaveLength(300);
});
