import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readJsonObject } from '../json/json';
import { exists, RECORD_FILE } from './names';

/** Sections of graft.json by name: JSON objects, each belongs to its writer. */
export type CheckpointRecord = Readonly<Record<string, unknown>>;

/**
 * The graft.json of a checkpoint, which is a folder or a file in it; {} if there is none. Throws CheckpointError if it
 * does not contain an object.
 */
export async function readRecord(checkpoint: string): Promise<CheckpointRecord> {
  const isFolder = await stat(checkpoint).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  const file = join(isFolder ? checkpoint : dirname(checkpoint), RECORD_FILE);
  return (await exists(file)) ? readJsonObject(file) : {};
}

/** The file of these sections, as `extraFiles` of a checkpoint takes it; no file if there are no sections. */
export function recordFile(sections: CheckpointRecord): Record<string, string> {
  return Object.keys(sections).length === 0 ? {} : { [RECORD_FILE]: `${JSON.stringify(sections, null, 2)}\n` };
}
