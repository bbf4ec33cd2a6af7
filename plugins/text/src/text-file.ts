import { DataError, decodeUtf8, describeInvalidUtf8, type GraftErrorOptions } from '@graft/core';
import { readFile } from 'node:fs/promises';

/** A small file of UTF-8, whole; undefined where there is none. Throws DataError, with these settings, for one that cannot be read. */
export async function readTextFile(file: string, settings: GraftErrorOptions): Promise<string | undefined> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw new DataError(`${file} cannot be read: ${cause.message}.`, { ...settings, cause });
  });
  if (!bytes) return undefined;
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new DataError(`${file} is not UTF-8: ${describeInvalidUtf8(bytes)}.`, settings);
  return text;
}
