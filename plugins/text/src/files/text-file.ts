import { DataError, type GraftErrorOptions } from '@graft/core';
import {
  FileProblem,
  isObject,
  JsonProblem,
  LARGEST_SETTINGS_BYTES,
  parseJson,
  readTextFile,
} from '@graft/core/internal';

/** A small file of UTF-8; undefined if there is none. Throws DataError, with these settings, if it cannot be read. */
export async function readText(
  file: string,
  settings: GraftErrorOptions,
  maxBytes = LARGEST_SETTINGS_BYTES,
): Promise<string | undefined> {
  try {
    return await readTextFile(file, { maxBytes });
  } catch (cause) {
    if (!(cause instanceof FileProblem)) throw cause;
    if (cause.code === 'ENOENT') return undefined;
    throw new DataError(`${file} cannot be read: ${cause.message}.`, { ...settings, cause });
  }
}

export interface ObjectBounds {
  /** Default: LARGEST_SETTINGS_BYTES. */
  readonly maxBytes?: number;
  /** Objects, lists and keys. Default: any number. */
  readonly maxParts?: number;
}

/** Like `readText`, for a file that contains a JSON object. `code`: of the error for anything else. */
export async function readObject(
  file: string,
  settings: GraftErrorOptions,
  code = settings.code,
  { maxBytes, maxParts }: ObjectBounds = {},
): Promise<Record<string, unknown> | undefined> {
  const text = await readText(file, settings, maxBytes);
  if (text === undefined) return undefined;
  let problem = '';
  try {
    const value = parseJson(text, { maxParts });
    if (isObject(value)) return value as Record<string, unknown>;
  } catch (cause) {
    if (!(cause instanceof JsonProblem)) throw cause;
    problem = `: ${cause.message}`;
  }
  throw new DataError(`${file} does not hold a JSON object${problem}.`, { ...settings, code });
}
