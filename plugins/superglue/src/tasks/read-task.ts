import { DataError } from '@graft/core';
import { FileProblem, JsonProblem, parseJson, readTextFile } from '@graft/core/internal';
import { join } from 'node:path';
import { badRow } from './rows';
import type { Part, PlacedExample, SuperGlueTask } from './task';

/**
 * The examples of one split of a task. `folder` is the benchmark's: it contains one folder per task, like the
 * benchmark's own archives. Throws DataError naming the file that is missing, or the line that is wrong.
 */
export async function readTask(folder: string, task: SuperGlueTask, part: Part): Promise<PlacedExample[]> {
  const file = join(folder, task.folder, `${part}.jsonl`);
  const text = await readTextFile(file).catch((cause: unknown) => {
    if (!(cause instanceof FileProblem)) throw cause;
    if (cause.code === 'NOT_UTF8')
      throw new DataError(`${file} cannot be read: ${cause.message}.`, { code: 'superglue.bad-row', cause });
    throw new DataError(`${file} cannot be read: ${cause.message}.`, {
      code: 'superglue.missing',
      exitCode: 2,
      hint: `The option "folder" names the benchmark's folder, with ${task.folder}/train.jsonl and ${task.folder}/val.jsonl in it.`,
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
      return task.examples(row, place, part).map((example) => ({ ...example, place }));
    });
}
