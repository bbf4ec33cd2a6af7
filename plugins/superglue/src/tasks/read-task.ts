import { DataError } from '@graft/core';
import { FileProblem, JsonProblem, parseJson, readTextFile } from '@graft/core/internal';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Diagnostic } from './diagnostics';
import { badRow } from './rows';
import type { Part, PlacedExample, PlacedTextExample, RowPlace, SuperGlueTask, TextTask } from './task';

/**
 * The examples of one split of a task. `folder` is the benchmark's: it contains one folder per task, like the
 * benchmark's own archives. Throws DataError naming the file that is missing, or the line that is wrong.
 */
export function readTask(folder: string, task: SuperGlueTask, part: Part): Promise<PlacedExample[]> {
  return readExamples(fileOf(folder, task, part), task.folder, (row, place) => task.examples(row, place, part));
}

/** The same in text-to-text form. */
export function readTextTask(
  folder: string,
  task: SuperGlueTask & { readonly text: TextTask },
  part: Part,
): Promise<PlacedTextExample[]> {
  return readExamples(fileOf(folder, task, part), task.folder, (row, place) => task.text.examples(row, place, part));
}

/** The examples of a diagnostic set. Its rows have labels in the benchmark's own archive, and need none. */
export function readDiagnostic(folder: string, { folder: name, text }: Diagnostic): Promise<PlacedTextExample[]> {
  return readExamples(diagnosticFile(folder, name), name, (row, place) => text.examples(row, place, 'test'));
}

/** Whether the folder has a task's split. */
export const hasPart = (folder: string, task: Pick<SuperGlueTask, 'folder'>, part: Part): boolean =>
  existsSync(fileOf(folder, task, part));

/** Whether the folder has a diagnostic set. */
export const hasDiagnostic = (folder: string, { folder: name }: Diagnostic): boolean =>
  existsSync(diagnosticFile(folder, name));

/** Path of a split. */
export const fileOf = (folder: string, task: Pick<SuperGlueTask, 'folder'>, part: Part): string =>
  join(folder, task.folder, `${part}.jsonl`);

/** Path of a diagnostic set. */
export const diagnosticFile = (folder: string, name: string): string => join(folder, name, `${name}.jsonl`);

async function readExamples<E extends object>(
  file: string,
  name: string,
  examplesOf: (row: unknown, place: RowPlace) => readonly E[],
): Promise<(E & { readonly place: RowPlace })[]> {
  const text = await readTextFile(file).catch((cause: unknown) => {
    if (!(cause instanceof FileProblem)) throw cause;
    if (cause.code === 'NOT_UTF8')
      throw new DataError(`${file} cannot be read: ${cause.message}.`, { code: 'superglue.bad-row', cause });
    throw new DataError(`${file} cannot be read: ${cause.message}.`, {
      code: 'superglue.missing',
      exitCode: 2,
      hint: `The option "folder" names the benchmark's folder, with ${name}/train.jsonl and ${name}/val.jsonl in it.`,
      cause,
    });
  });
  return text
    .replace(/^\ufeff/, '')
    .split('\n')
    .flatMap((line, i) => {
      if (/^[ \t\r]*$/.test(line)) return [];
      const place = { file, line: i + 1 };
      let row: unknown;
      try {
        row = parseJson(line);
      } catch (cause) {
        if (!(cause instanceof JsonProblem)) throw cause;
        const at = cause.offset === undefined ? '' : ` at character ${cause.offset + 1}`;
        throw badRow(place, `it is not JSON that can be read: ${cause.what}${at}`, cause);
      }
      return examplesOf(row, place).map((example) => ({ ...example, place }));
    });
}
