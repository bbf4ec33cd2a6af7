import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The data of all records of the event files in a folder, in TensorBoard's order: that of the files' names. */
export function readRecords(folder: string): Buffer[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith('events.out.tfevents.'))
    .sort()
    .flatMap((name) => {
      const bytes = readFileSync(join(folder, name));
      const records: Buffer[] = [];
      for (let at = 0; at < bytes.length;) {
        const length = Number(bytes.readBigUInt64LE(at));
        records.push(bytes.subarray(at + 12, at + 12 + length));
        at += 12 + length + 4;
      }
      return records;
    });
}
