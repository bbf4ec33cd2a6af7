import { DataError, pathOption } from '@graft/core';
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { glob } from 'tinyglobby';
import { z } from 'zod';

/** One pattern or several: files, or globs with `*`, `**`, `?`, `{a,b}`. */
export const filesOption = z.union([pathOption(), z.array(pathOption()).min(1)]);

/** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`. */
export const excludeOption = z.array(z.string().min(1)).default([]);

export interface DataFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * The files that match, in an order that depends on their names alone. A pattern that is the name of a file means that
 * file. Throws DataError for a pattern that matches nothing, with what `options` to look at.
 */
export async function findFiles(
  patterns: string | readonly string[],
  exclude: readonly string[] = [],
  options = 'dataset.files and dataset.exclude',
): Promise<DataFile[]> {
  const found = new Map<string, number>();
  for (const pattern of typeof patterns === 'string' ? [patterns] : patterns) {
    const literal = await stat(pattern).catch(() => undefined);
    const paths = literal?.isFile()
      ? [pattern]
      : await glob(pattern, { ignore: [...exclude], absolute: true, onlyFiles: true, cwd: '/' });
    if (paths.length === 0) {
      const without = exclude.length > 0 ? ` (without ${exclude.join(', ')})` : '';
      throw new DataError(`No file matches ${pattern}${without}.`, {
        code: 'data.no-files',
        exitCode: 2,
        hint: `Look at ${options}; \`**\` stands for folders within folders.`,
      });
    }
    for (const path of paths) found.set(path, (await stat(path)).size);
  }
  return [...found].map(([path, size]) => ({ path, size })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * A short text that differs when the data or the options that decide their order differ, so that a saved position is not
 * taken for one in other data. Names and sizes of files count, not where they lie.
 */
export function fingerprint(files: readonly DataFile[], options: readonly unknown[]): string {
  const content = JSON.stringify([files.map(({ path, size }) => [basename(path), size]), ...options]);
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
