import { DataError, fieldProblem } from '@graft/core';
import { shortened } from '@graft/core/internal';
import { z } from 'zod';
import type { Part, RowPlace } from './task';

export function badRow({ file, line }: RowPlace, problem: string, cause?: unknown): DataError {
  return new DataError(`${file}, line ${line}: ${problem}.`, {
    code: 'superglue.bad-row',
    hint: "Take the benchmark's own files, one JSON object a line.",
    cause,
  });
}

/** The row, checked by the schema; fields outside the schema are ignored. Throws DataError naming the field. */
export function parseRow<S extends z.ZodType>(schema: S, row: unknown, place: RowPlace): z.output<S> {
  const parsed = schema.safeParse(row);
  if (parsed.success) return parsed.data;
  throw badRow(place, fieldProblem(parsed.error, 'the row'));
}

/** Number of a row, a question or an answer. */
export const index = z.int().min(0);

/** UTF-16 units of a text of a row. The benchmark's longest passage has about ten thousand. */
const LONGEST_TEXT = 2 ** 16;
/** UTF-16 units of a span, an entity or a word. The benchmark's longest has a few hundred. */
export const LONGEST_SPAN = 1000;
/** Questions, answers or entities of one row, and examples of all of them. The benchmark has a few hundred. */
const MOST_ITEMS = 1000;
const MOST_EXAMPLES = 10_000;

export const textField = z.string().max(LONGEST_TEXT);
export const spanField = z.string().max(LONGEST_SPAN);
export const itemsOf = <S extends z.ZodType>(item: S): z.ZodArray<S> => z.array(item).max(MOST_ITEMS);

/** Throws DataError for a row that would give too many examples: each contains the whole passage. */
export function checkExamples(count: number, place: RowPlace): void {
  if (count > MOST_EXAMPLES)
    throw badRow(place, `it makes ${count} examples; Graft takes at most ${MOST_EXAMPLES} of a row`);
}

/**
 * The class of a row. `named` maps the labels in the benchmark's files, as text, to class indices. A test set has no
 * labels; elsewhere a missing one is an error.
 */
export function classOf(
  label: unknown,
  named: Readonly<Record<string, number>>,
  place: RowPlace,
  part: Part,
  field = 'label',
): number | undefined {
  // Some exports of the benchmark have -1 for no label.
  if (part === 'test' && (label === undefined || label === -1)) return undefined;
  const known = Object.keys(named);
  const isPlain = typeof label === 'string' || typeof label === 'number' || typeof label === 'boolean';
  const text = isPlain ? String(label) : '';
  if (known.includes(text)) return named[text];
  const got = label === undefined ? 'nothing' : shortened(JSON.stringify(label), 60);
  throw badRow(place, `${field}: expected one of ${known.join(', ')}, got ${got}`);
}

/** Classes of yes-or-no tasks: the files have booleans, or 0 and 1. */
export const FALSE_TRUE: Readonly<Record<string, number>> = { false: 0, true: 1, '0': 0, '1': 1, False: 0, True: 1 };
