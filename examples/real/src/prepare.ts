import { checkpointPath } from '@graft/checkpoint';
import { GraftError, UsageError, type Logger, type Tokenizer } from '@graft/core';
import { HuggingFaceTokenizer } from '@graft/text';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MODELS, type ModelName } from './arms';
import { describeDocuments, readDocuments, type Document } from './documents';
import { divideDocuments, targetBytes, type Row } from './rows';
import { readJson, writeJson, writeText } from './stored';

/** Where each model that is there is kept. */
export type ModelPlaces = ReadonlyMap<ModelName, string>;

/** The models that have been fetched. */
export async function fetchedModels(): Promise<ModelPlaces> {
  const places = new Map<ModelName, string>();
  for (const name of MODELS) {
    const path = `model:${name}`;
    try {
      await checkpointPath(path);
      places.set(name, path);
    } catch (error) {
      if (!(error instanceof GraftError) || error.code !== 'checkpoint.model-missing') throw error;
    }
  }
  return places;
}

/** What rows.json records of the rows. */
export interface RowsRecord {
  readonly trainRows: number;
  readonly heldOutRows: number;
  /** UTF-8 bytes of source and target of the training rows. */
  readonly trainBytes: number;
  /** UTF-8 bytes of the held-out targets: losses are divided by them. */
  readonly heldOutTargetBytes: number;
  /** Tokens of source and target of an average training row, in each model's tokenizer. */
  readonly tokensPerRow: Readonly<Partial<Record<ModelName, number>>>;
}

/** Rows on disk: `train.jsonl`, `held-out.jsonl` and `rows.json` in `folder`. */
export interface StoredRows extends RowsRecord {
  readonly folder: string;
}

/** Most tokens of a source, and of a target. The configs of the arms pad to it. */
export const ROW_TOKENS = 256;
const HOLD_OUT = 0.1;
const HELD_OUT_ROWS = 32;
/** Changes with the rules by which rows are made. */
const VERSION = 1;

export interface PrepareOptions {
  readonly out: string;
  /** Places of text. */
  readonly texts: readonly string[];
  readonly models: ModelPlaces;
  readonly logger: Logger;
  /** Default 256. */
  readonly rowTokens?: number;
  readonly heldOutRows?: number;
}

/**
 * Writes the rows of these texts for the tokenizers of these models, in a folder that is named by what they are made of,
 * and links `OUT/data` to it. Rows that are there already are used. Throws UsageError if there is too little text.
 */
export async function prepareRows(options: PrepareOptions): Promise<StoredRows> {
  const { out, models, logger, rowTokens = ROW_TOKENS, heldOutRows = HELD_OUT_ROWS } = options;
  const read = await readDocuments(options.texts);
  // Not only those of this command's arms: others may be added.
  const used = MODELS.filter((name) => models.has(name));
  const made = [VERSION, used, rowTokens, heldOutRows, read.documents.map(({ digest }) => digest)];
  const key = createHash('sha256').update(JSON.stringify(made)).digest('hex').slice(0, 10);
  const folder = join(out, key, 'data');
  if (!existsSync(join(folder, 'rows.json'))) {
    describeDocuments(read, logger);
    const tokenizers = new Map<ModelName, Tokenizer>();
    for (const name of used) tokenizers.set(name, await HuggingFaceTokenizer.open({ path: models.get(name)! }));
    await writeRows(folder, read.documents, tokenizers, { rowTokens, heldOutRows, logger });
  }
  await linkTo(join(out, 'data'), join(key, 'data'));
  return { folder, ...((await readJson(join(folder, 'rows.json'))) as RowsRecord) };
}

async function writeRows(
  folder: string,
  documents: readonly Document[],
  tokenizers: ReadonlyMap<ModelName, Tokenizer>,
  { rowTokens, heldOutRows, logger }: { rowTokens: number; heldOutRows: number; logger: Logger },
): Promise<void> {
  const settings = { tokenizers: [...tokenizers.values()], tokens: rowTokens, holdOut: HOLD_OUT, heldOutRows };
  const { train, heldOut, known, surplus } = divideDocuments(documents, settings);
  if (train.length < 8 || heldOut.length === 0)
    throw new UsageError(
      `The texts are too short: they fill ${train.length} training rows and ${heldOut.length} held-out ones of ${2 * rowTokens} tokens.`,
      { code: 'real.no-text', hint: 'Name more text with --text.' },
    );
  logger.info(
    `Rows: ${train.length} for training, ${heldOut.length} held out (${surplus} more are not measured; ${known} share most lines with the training text and are left out).`,
  );
  const mean = (tokenizer: Tokenizer): number =>
    train.reduce(
      (sum, { source, target }) => sum + tokenizer.encode(source).length + tokenizer.encode(target).length,
      0,
    ) / train.length;
  const record: RowsRecord = {
    trainRows: train.length,
    heldOutRows: heldOut.length,
    trainBytes: train.reduce((sum, { source, target }) => sum + Buffer.byteLength(source + target), 0),
    heldOutTargetBytes: targetBytes(heldOut),
    tokensPerRow: Object.fromEntries([...tokenizers].map(([name, tokenizer]) => [name, mean(tokenizer)])),
  };
  const lines = (rows: readonly Row[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await mkdir(folder, { recursive: true });
  await writeText(join(folder, 'train.jsonl'), lines(train));
  await writeText(join(folder, 'held-out.jsonl'), lines(heldOut));
  // Last: its presence says that the others are whole.
  await writeJson(join(folder, 'rows.json'), record);
}

/** The arms' configs name `OUT/data`, for those who run one alone. */
async function linkTo(link: string, target: string): Promise<void> {
  await mkdir(dirname(link), { recursive: true });
  const temporary = `${link}.${process.pid}`;
  await rm(temporary, { force: true });
  await symlink(target, temporary, 'dir');
  await rename(temporary, link);
}
