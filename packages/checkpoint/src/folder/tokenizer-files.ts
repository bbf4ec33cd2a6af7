import { checkpointPath } from '../source/checkpoint-path';
import { readRegularFile } from '@graft/files';
import { join } from 'node:path';
import { unreadable } from '../safetensors/problems';
import { exists } from './checkpoint-reader';
import { TOKENIZER_FILES } from './names';
import { readTokenizerRecord } from './record';

/** The tokenizer files that a checkpoint folder has, by name: those of published tokenizers, and those in graft.json. */
export async function readTokenizerFiles(path: string): Promise<Record<string, Uint8Array>> {
  const folder = await checkpointPath(path);
  const files: Record<string, Uint8Array> = {};
  const recorded = (await readTokenizerRecord(folder))?.files ?? [];
  for (const name of new Set([...TOKENIZER_FILES, ...recorded])) {
    const file = join(folder, name);
    if (!(await exists(file))) continue;
    files[name] = await readRegularFile(file).catch((cause: unknown) => {
      throw unreadable(file, cause);
    });
  }
  return files;
}
