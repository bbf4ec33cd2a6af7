import { DataError } from '@graft/core';
import { FileProblem, isObject, JsonProblem, parseJson, readTextFile, shortened } from '@graft/core/internal';

/** A text for the model, and what it might answer. */
export interface TextRow {
  readonly source: string;
  /** Empty if there are none. */
  readonly references: readonly string[];
}

/** The keys of a row. */
export interface RowKeys {
  readonly source: string;
  /** Of a text or a list of texts. */
  readonly references: string;
}

/**
 * The first `limit` rows of a JSONL file. Either all rows have references or none. Throws DataError that names the file
 * and the line of what is wrong.
 */
export async function readTextRows(file: string, keys: RowKeys, limit: number): Promise<TextRow[]> {
  const rows: TextRow[] = [];
  const lines = (await textOf(file)).replace(/^\ufeff/, '').split('\n');
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue;
    if (rows.length === limit) break;
    const row = rowOf(line, `${file}, line ${i + 1}`, keys);
    const [first = row] = rows;
    if ((first.references.length === 0) !== (row.references.length === 0))
      throw badRow(
        `${file}, line ${i + 1}: the row ${row.references.length === 0 ? 'lacks' : 'has'} "${keys.references}", and the rows before it do not.`,
        'Give all rows references, or none.',
      );
    rows.push(row);
  }
  if (rows.length > 0) return rows;
  throw new DataError(`${file} has no rows.`, {
    code: 'data.empty',
    exitCode: 2,
    hint: `Write one JSON object a line, each with "${keys.source}".`,
  });
}

async function textOf(file: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (cause) {
    if (!(cause instanceof FileProblem)) throw cause;
    const code = cause.code === 'NOT_UTF8' ? 'data.encoding' : 'data.unreadable';
    throw new DataError(`${file} cannot be read: ${cause.message}.`, { code, exitCode: 2, cause });
  }
}

function badRow(message: string, hint: string, cause?: unknown): DataError {
  return new DataError(message, { code: 'benchmarks.row', exitCode: 2, hint, cause });
}

function rowOf(line: string, place: string, keys: RowKeys): TextRow {
  let row: unknown;
  try {
    row = parseJson(line);
  } catch (cause) {
    if (!(cause instanceof JsonProblem)) throw cause;
    throw badRow(`${place}: not JSON that can be read: ${cause.what}.`, 'Write one JSON object a line.', cause);
  }
  if (!isObject(row))
    throw badRow(`${place}: expected a JSON object, got ${shown(row)}.`, 'Write one JSON object a line.');
  const source = row[keys.source];
  if (typeof source !== 'string' || source === '')
    throw badRow(
      `${place}: expected a text that is not empty as "${keys.source}", got ${shown(source)}.`,
      `Name the key of the sources with the option "source"; this row has ${Object.keys(row).join(', ') || 'none'}.`,
    );
  return { source, references: referencesOf(row[keys.references], place, keys.references) };
}

function referencesOf(value: unknown, place: string, key: string): string[] {
  if (value === undefined) return [];
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (texts.length > 0 && texts.every((text) => typeof text === 'string')) return [...(texts as readonly string[])];
  throw badRow(
    `${place}: expected a text or a list of texts as "${key}", got ${shown(value)}.`,
    'Name the key of the references with the option "references".',
  );
}

const shown = (value: unknown): string => (value === undefined ? 'nothing' : shortened(JSON.stringify(value), 60));
