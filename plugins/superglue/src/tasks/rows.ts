import { DataError } from '@graft/core';
import { z } from 'zod';
import type { Part, RowPlace } from './task';

export function badRow({ file, line }: RowPlace, problem: string, cause?: unknown): DataError {
  return new DataError(`${file}, line ${line}: ${problem}.`, {
    code: 'superglue.bad-row',
    hint: "Take the benchmark's own files, one JSON object a line.",
    cause,
  });
}

/** The row as the schema says it should be; fields that it does not name are let be. Throws DataError naming the field. */
export function parseRow<S extends z.ZodType>(schema: S, row: unknown, place: RowPlace): z.output<S> {
  const parsed = schema.safeParse(row);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badRow(place, `${issue.path.join('.') || 'the row'}: ${issue.message.replace(/^Invalid input: /, '')}`);
}

/** Number of a row, a question or an answer. */
export const index = z.int().min(0);

/**
 * The class of a row. `named` maps what the benchmark's files hold, as text, to class indices. A test set has no labels;
 * elsewhere one that is missing is an error.
 */
export function classOf(
  label: unknown,
  named: Readonly<Record<string, number>>,
  place: RowPlace,
  part: Part,
  field = 'label',
): number | undefined {
  // Some exports of the benchmark say -1 where there is none.
  if (part === 'test' && (label === undefined || label === -1)) return undefined;
  const known = Object.keys(named);
  const isPlain = typeof label === 'string' || typeof label === 'number' || typeof label === 'boolean';
  const text = isPlain ? String(label) : '';
  if (known.includes(text)) return named[text];
  const got = label === undefined ? 'nothing' : JSON.stringify(label);
  throw badRow(place, `${field}: expected one of ${known.join(', ')}, got ${got}`);
}

/** Classes of the tasks that ask whether something is so: the files have booleans, or 0 and 1. */
export const FALSE_TRUE: Readonly<Record<string, number>> = { false: 0, true: 1, '0': 0, '1': 1, False: 0, True: 1 };

/**
 * A text's part between two positions as the benchmark counts them, in Unicode code points; JavaScript counts characters
 * outside of the first plane twice.
 */
export function sliceCodePoints(text: string, start: number, end: number): string {
  if (!/[\ud800-\udfff]/.test(text)) return text.slice(start, end);
  return Array.from(text).slice(start, end).join('');
}
