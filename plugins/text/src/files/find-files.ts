import { DataError, pathOption } from '@graft/core';
import { openRegularFile } from '@graft/core/internal';
import { createHash } from 'node:crypto';
import { readdir, realpath, stat as statOf } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, isAbsolute, join, resolve } from 'node:path';
import picomatch from 'picomatch';
import { glob } from 'tinyglobby';
import { z } from 'zod';

/** One pattern or several: files, or globs with `*`, `**`, `?`, `{a,b}`. */
export const filesOption = z.union([pathOption(), z.array(pathOption()).min(1)]);

/** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`. */
export const excludeOption = z.array(z.string().min(1)).default([]);

/** A file of a dataset. */
export interface DataFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * The files that match, in an order that depends only on their names. If a file, or the folders before the first
 * wildcard, exist under exactly the name in the pattern, then they are meant, whatever characters the name has:
 * `[ab]/*.txt` means the folder `[ab]` if it exists, otherwise `a` and `b`. Throws DataError for a pattern that matches
 * nothing, with the `options` to look at.
 */
export async function findFiles(
  patterns: string | readonly string[],
  exclude: readonly string[] = [],
  options = 'dataset.files and dataset.exclude',
): Promise<DataFile[]> {
  const excluded: ((path: string) => boolean)[] = [];
  for (const pattern of exclude) excluded.push(await matcher(pattern));
  const found = new Map<string, number>();
  for (const pattern of typeof patterns === 'string' ? [patterns] : patterns) {
    const { folder, rest } = await literalPart(resolve(pattern));
    const all = rest === undefined ? [folder] : await filesIn(folder, rest);
    // A file that is named explicitly is wanted, even if patterns exclude it.
    const paths = rest === undefined ? all : all.filter((path) => !excluded.some((matches) => matches(path)));
    if (paths.length === 0) {
      const without = exclude.length > 0 ? ` (without ${exclude.join(', ')})` : '';
      throw new DataError(`No file matches ${pattern}${without}.`, {
        code: 'data.no-files',
        exitCode: 2,
        hint: `Look at ${options}; \`**\` stands for folders within folders.`,
      });
    }
    for (const path of paths) found.set(path, await sizeOf(path));
  }
  return [...found].map(([path, size]) => ({ path, size })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Bytes of a file. Throws DataError for what is not a regular file. */
async function sizeOf(path: string): Promise<number> {
  try {
    const file = await openRegularFile(path);
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new DataError(`${path} cannot be read: ${(cause as Error).message}.`, {
      code: 'data.unreadable',
      exitCode: 2,
      cause,
    });
  }
}

/**
 * The longest existing beginning of an absolute pattern, and the pattern within it; without one the whole is a file.
 * The name of a folder means all files in it.
 */
async function literalPart(pattern: string): Promise<{ folder: string; rest?: string }> {
  const steps = pattern.split('/').filter((step) => step !== '');
  let folder = '/';
  for (const [i, step] of steps.entries()) {
    const next = join(folder, step);
    const there = await stat(next).catch(() => undefined);
    if (there && !there.isDirectory() && i === steps.length - 1) return { folder: next };
    if (!there?.isDirectory()) return { folder, rest: steps.slice(i).join('/') };
    folder = next;
  }
  return { folder, rest: '**' };
}

/** The glob library would treat a backslash in a folder's name as a separator, so it gets another name. */
const STAND_IN = '/folder';

async function filesIn(folder: string, pattern: string): Promise<string[]> {
  const root = folder.includes('\\') ? STAND_IN : folder;
  const real = (path: string): string => (root === folder ? path : folder + path.slice(root.length));
  const through = <F extends typeof readdir | typeof realpath | typeof statOf>(call: F): F =>
    ((path: string, ...more: unknown[]) => (call as (...all: unknown[]) => void)(real(path), ...more)) as unknown as F;
  const fs =
    root === folder ? undefined : { readdir: through(readdir), realpath: through(realpath), stat: through(statOf) };
  const paths = await glob(pattern, { cwd: root, onlyFiles: true, fs });
  return paths.map((path) => join(folder, path));
}

/**
 * Whether an absolute path, or a folder that contains it, matches. Throws DataError for a pattern that no path could
 * match.
 */
async function matcher(pattern: string): Promise<(path: string) => boolean> {
  if (!isAbsolute(pattern)) {
    if (!pattern.startsWith('**'))
      throw new DataError(`The pattern "${pattern}" of what to leave out can match nothing.`, {
        code: 'data.pattern',
        exitCode: 2,
        hint: `It is compared with absolute paths: "**/${pattern}" is what has that name in any folder.`,
      });
    const matches = [picomatch(pattern, { dot: true }), picomatch(`${pattern}/**`, { dot: true })];
    return (path) => matches.some((one) => one(path));
  }
  const { folder, rest } = await literalPart(resolve(pattern));
  if (rest === undefined) return (path) => path === folder;
  const within = folder === '/' ? folder : `${folder}/`;
  const matches = [picomatch(rest, { dot: true }), picomatch(`${rest}/**`, { dot: true })];
  return (path) => path.startsWith(within) && matches.some((one) => one(path.slice(within.length)));
}

/**
 * A short text that differs when the data, or the options that determine their order, differ, so that a saved position
 * is not used with other data. It depends on names and sizes of files, not on their folder.
 */
export function fingerprint(files: readonly DataFile[], options: readonly unknown[]): string {
  const content = JSON.stringify([files.map(({ path, size }) => [basename(path), size]), ...options]);
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
