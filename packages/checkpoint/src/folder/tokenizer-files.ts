import { checkpointPath } from '../source/checkpoint-path';
import { readRegularFile } from '@graft/files';
import { join } from 'node:path';
import { unreadable } from '../safetensors/problems';
import { exists } from './checkpoint-reader';
import { ENCODER_TOKENIZER_FOLDER, encoderTokenizerFile, TOKENIZER_FILES } from './names';
import { ENCODER_TOKENIZER_SECTION, readTokenizerRecord, type TokenizerRecord } from './record';

/**
 * The tokenizer files that a checkpoint folder has, by name: those of published tokenizers, and those in graft.json. The
 * files of an encoder's own tokenizer are called `encoder_tokenizer/NAME`.
 */
export async function readTokenizerFiles(path: string): Promise<Record<string, Uint8Array>> {
  const folder = await checkpointPath(path);
  const own = await filesIn(folder, await readTokenizerRecord(folder));
  const encoders = await readEncoderTokenizer(folder);
  return { ...own, ...asEncoderTokenizer(encoders?.files ?? {}) };
}

/** What a folder keeps of one tokenizer. */
export interface KeptTokenizerFiles {
  /** By name, without a folder. */
  readonly files: Record<string, Uint8Array>;
  /** The component that opens them; undefined: the names of the files say it. */
  readonly record?: TokenizerRecord;
}

/** The encoder's own tokenizer that a checkpoint folder has; undefined where both sides have one. */
export async function readEncoderTokenizer(path: string): Promise<KeptTokenizerFiles | undefined> {
  const folder = await checkpointPath(path);
  const record = await readTokenizerRecord(folder, ENCODER_TOKENIZER_SECTION);
  const files = await filesIn(join(folder, ENCODER_TOKENIZER_FOLDER), record);
  return Object.keys(files).length === 0 ? undefined : { files, record };
}

/** The same files as those of the encoder's tokenizer: `encoder_tokenizer/NAME`. */
export function asEncoderTokenizer<F>(files: Readonly<Record<string, F>>): Record<string, F> {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [encoderTokenizerFile(name), content]));
}

async function filesIn(folder: string, record: TokenizerRecord | undefined): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const name of new Set([...TOKENIZER_FILES, ...(record?.files ?? [])])) {
    const file = join(folder, name);
    if (!(await exists(file))) continue;
    files[name] = await readRegularFile(file).catch((cause: unknown) => {
      throw unreadable(file, cause);
    });
  }
  return files;
}
