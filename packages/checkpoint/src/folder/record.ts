import { CheckpointError, isObject, shownJson } from '@graft/errors';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readJsonObject } from '../json/json';
import { checkpointPath } from '../source/checkpoint-path';
import { exists, isTokenizerFileName, RECORD_FILE } from './names';
import { recordFile, type CheckpointRecord } from './record-file';

export { recordFile, type CheckpointRecord };

/**
 * The graft.json of a checkpoint, which is a folder or a file in it; {} if there is none. Throws CheckpointError if it
 * does not contain an object.
 */
export async function readRecord(path: string): Promise<CheckpointRecord> {
  const checkpoint = await checkpointPath(path);
  const isFolder = await stat(checkpoint).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  const file = join(isFolder ? checkpoint : dirname(checkpoint), RECORD_FILE);
  return (await exists(file)) ? readJsonObject(file) : {};
}

/** The section of a tokenizer whose files have names that are not in TOKENIZER_FILES. */
export const TOKENIZER_SECTION = 'tokenizer';

/** How a checkpoint was encoded: the tokenizer's component and the names of its files. */
export interface TokenizerRecord {
  /** As a config names it: `my-plugin/letters`. */
  readonly use: string;
  readonly files: readonly string[];
}

/** The same of the encoder's tokenizer, whose files are in ENCODER_TOKENIZER_FOLDER. */
export const ENCODER_TOKENIZER_SECTION = 'encoderTokenizer';

/**
 * The checkpoint's section about its tokenizer, or about that of a side of its own; undefined if there is none, as for
 * published tokenizers, whose files are known by their names. Throws CheckpointError if the section is damaged.
 */
export async function readTokenizerRecord(
  checkpoint: string,
  name: typeof TOKENIZER_SECTION | typeof ENCODER_TOKENIZER_SECTION = TOKENIZER_SECTION,
): Promise<TokenizerRecord | undefined> {
  const section = (await readRecord(checkpoint))[name];
  if (section === undefined) return undefined;
  const { use, files } = isObject(section) ? section : {};
  if (typeof use === 'string' && Array.isArray(files) && files.every(isTokenizerFileName)) return { use, files };
  throw new CheckpointError(
    `${checkpoint}: "${name}" in ${RECORD_FILE} should be { use, files } with names of files next to it, but is ${shownJson(section, 'nothing', 100)}.`,
    { code: 'checkpoint.tokenizer-record' },
  );
}

/** The sections of a checkpoint about its tokenizers, as `recordFile` takes them; undefined for those that are missing. */
export async function readTokenizerSections(checkpoint: string): Promise<CheckpointRecord> {
  const read = readTokenizerRecord;
  return {
    [TOKENIZER_SECTION]: await read(checkpoint),
    [ENCODER_TOKENIZER_SECTION]: await read(checkpoint, ENCODER_TOKENIZER_SECTION),
  };
}
