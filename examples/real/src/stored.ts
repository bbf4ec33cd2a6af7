/** Small files of a story's folder. Each appears whole, by rename. */
import { readFile, rename, writeFile } from 'node:fs/promises';

export async function writeText(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text);
  await rename(temporary, file);
}

export const writeJson = (file: string, value: unknown): Promise<void> =>
  writeText(file, `${JSON.stringify(value, undefined, 2)}\n`);

/** undefined if the file is not there. */
export async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}
