import { writeFile } from 'node:fs/promises';

/** Placeholder: replaced by the real report. */
export async function writeReport(runFolders: readonly string[], outFile: string): Promise<void> {
  await writeFile(outFile, runFolders.join('\n'));
}
