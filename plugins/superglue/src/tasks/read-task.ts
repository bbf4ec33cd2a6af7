import { DataError, decodeUtf8, describeInvalidUtf8, JsonProblem, parseJson } from '@graft/core';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badRow } from './rows';
import type { Part, PlacedExample, SuperGlueTask } from './task';

/**
 * The examples of one part of a task. `folder` is the benchmark's: it holds a folder a task, as the benchmark's own
 * archives do. Throws DataError naming the file that is missing, or the line that is wrong.
 */
export async function readTask(folder: string, task: SuperGlueTask, part: Part): Promise<PlacedExample[]> {
  const file = join(folder, task.folder, `${part}.jsonl`);
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'there is no such file' : cause.message;
    throw new DataError(`${file} cannot be read: ${reason}.`, {
      code: 'superglue.missing',
      exitCode: 2,
      hint: `The option "folder" names the benchmark's folder, with ${task.folder}/train.jsonl and ${task.folder}/val.jsonl in it.`,
      cause,
    });
  });
  const text = decodeUtf8(bytes);
  if (text === undefined)
    throw new DataError(`${file} is not UTF-8: ${describeInvalidUtf8(bytes)}.`, { code: 'superglue.bad-row' });
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
