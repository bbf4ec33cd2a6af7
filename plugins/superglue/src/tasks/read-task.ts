import { DataError } from '@graft/core';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Part, PlacedExample, SuperGlueTask } from './task';

/**
 * The examples of one part of a task. `folder` is the benchmark's: it holds a folder a task, as the benchmark's own
 * archives do. Throws DataError naming the file that is missing, or the line that is wrong.
 */
export async function readTask(folder: string, task: SuperGlueTask, part: Part): Promise<PlacedExample[]> {
  const file = join(folder, task.folder, `${part}.jsonl`);
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'there is no such file' : cause.message;
    throw new DataError(`${file} cannot be read: ${reason}.`, {
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
      if (line.trim() === '') return [];
      let row: unknown;
      try {
        row = JSON.parse(line);
      } catch (cause) {
        throw new DataError(`${file}, line ${i + 1}: no JSON (${(cause as Error).message}).`, {
          code: 'superglue.bad-row',
          cause,
        });
      }
      const place = { file, line: i + 1 };
      return task.examples(row, place, part).map((example) => ({ ...example, place }));
    });
}
