import { RECORD_FILE } from './names';

/** Sections of graft.json by name: JSON objects, each belongs to its writer. */
export type CheckpointRecord = Readonly<Record<string, unknown>>;

/** The file of these sections, as `extraFiles` of a checkpoint takes it; no file if there are no sections. */
export function recordFile(sections: CheckpointRecord): Record<string, string> {
  return Object.values(sections).every((section) => section === undefined)
    ? {}
    : { [RECORD_FILE]: `${JSON.stringify(sections, null, 2)}\n` };
}
