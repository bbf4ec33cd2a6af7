import { temporaryFolder } from '@graft/test-support';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The files of a benchmark by name: rows of JSON, text, or bytes. */
export type Files = Readonly<Record<string, readonly object[] | string | Uint8Array>>;

/** A folder with these files, which goes when the tests are done. */
export function benchmarkFolder(files: Files): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    const isList = Array.isArray(content);
    const lines = isList ? (content as readonly object[]).map((row) => `${JSON.stringify(row)}\n`).join('') : content;
    writeFileSync(join(folder, name), lines as string | Uint8Array);
  }
  return folder;
}
