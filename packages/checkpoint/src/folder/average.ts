import { CheckpointError, isObject, listed, shownJson } from '@graft/errors';
import { readRegularFile } from '@graft/files';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { fromFloat64, isFloatDtype, storedWidth, toFloat32, type StoredDtype } from '../safetensors/dtypes';
import { CheckpointReader, exists } from './checkpoint-reader';
import { describeTensor, type TensorInfo } from '../safetensors/header';
import { TOKENIZER_FILES } from './names';
import { unreadable } from '../safetensors/problems';
import { readRecord, readTokenizerRecord, recordFile } from './record';
import { writeCheckpoint } from './write-folder';
import type { TensorSource } from '../safetensors/writer';
import { checkpointPath } from '../source/checkpoint-path';

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

/** Records who wrote a checkpoint, not its content. */
const IRRELEVANT_KEYS = ['_name_or_path', 'transformers_version'];

/**
 * Writes the mean of checkpoints of one model, for example of the last snapshots of a run. Streams; means are taken in
 * float64 and rounded once to the stored dtype. Config, tokenizer and record are copied from the first folder. Throws
 * CheckpointError if configs, names, dtypes or shapes differ, or if the values of non-float tensors differ.
 */
export async function averageCheckpoints(
  folders: readonly string[],
  out: string,
  options: { overwrite?: boolean; maxShardBytes?: number } = {},
): Promise<void> {
  if (folders.length === 0) {
    throw new CheckpointError('There are no checkpoints to be averaged.', { code: 'checkpoint.average', exitCode: 2 });
  }
  const readers: CheckpointReader[] = [];
  try {
    for (const folder of folders) readers.push(await CheckpointReader.open(folder));
    const [first, ...others] = readers;
    const config = await first.config();
    for (const other of others) await checkAgreement(first, other, config);
    await writeCheckpoint(
      out,
      {
        config,
        generationConfig: await first.generationConfig(),
        tensors: [...first.tensors.values()].map((info) => meanOf(info, readers)),
        maxShardBytes: options.maxShardBytes,
        extraFiles: { ...(await readTokenizerFiles(first.path)), ...recordFile(await readRecord(first.path)) },
      },
      options,
    );
  } finally {
    for (const reader of readers) await reader.close();
  }
}

function differ(first: CheckpointReader, other: CheckpointReader, how: string): CheckpointError {
  return new CheckpointError(`${first.path} and ${other.path} cannot be averaged: ${how}.`, {
    code: 'checkpoint.average',
    exitCode: 2,
    hint: 'Average checkpoints of one model.',
  });
}

const NAMED_DIFFERENCES = 3;
const SHOWN_CHARACTERS = 60;

const shown = (value: unknown): string => shownJson(value, 'not set', SHOWN_CHARACTERS);

/**
 * Keys by path (`decoder.hidden_size`) whose values differ; everything that is not an object is compared as a whole.
 */
function differences(one: unknown, two: unknown, path = ''): { path: string; one: unknown; two: unknown }[] {
  if (isDeepStrictEqual(one, two)) return [];
  if (!isObject(one) || !isObject(two)) return [{ path, one, two }];
  return [...new Set([...Object.keys(one), ...Object.keys(two)])].flatMap((key) =>
    differences(one[key], two[key], path === '' ? key : `${path}.${key}`),
  );
}

async function checkAgreement(
  first: CheckpointReader,
  other: CheckpointReader,
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  const found = differences(config, await other.config()).filter(({ path }) => !IRRELEVANT_KEYS.includes(path));
  if (found.length > 0) {
    const named = found.map(({ path, one, two }, i) => {
      const where = i === 0 ? ' in config.json' : '';
      return `"${path}"${where} is ${shown(one)} and ${shown(two)}`;
    });
    throw differ(first, other, listed(named, NAMED_DIFFERENCES, ', ', ', and'));
  }
  for (const info of first.tensors.values()) {
    const twin = other.tensors.get(info.name);
    if (!twin) throw differ(first, other, `"${info.name}" is only in the first`);
    const [one, two] = [describeTensor(info), describeTensor(twin)];
    if (one !== two) throw differ(first, other, `"${info.name}" is ${one} and ${two}`);
  }
  const extra = [...other.tensors.keys()].find((name) => !first.tensors.has(name));
  if (extra !== undefined) throw differ(first, other, `"${extra}" is only in the second`);
}

/** The tensor's mean over the readers, chunk by chunk. */
function meanOf({ name, dtype, shape }: TensorInfo, readers: readonly CheckpointReader[]): TensorSource {
  const data = async function* (): AsyncGenerator<Uint8Array> {
    const iterators = readers.slice(1).map((reader) => reader.chunks(name));
    try {
      for await (const chunk of readers[0].chunks(name)) {
        const chunks = [chunk];
        // They are as long as the first one's: dtypes and shapes agree.
        for (const iterator of iterators) chunks.push((await iterator.next()).value!);
        if (isFloatDtype(dtype)) yield fromFloat64(mean(chunks, dtype), dtype);
        else {
          const odd = chunks.findIndex((other) => Buffer.compare(chunk, other) !== 0);
          if (odd > 0)
            throw differ(readers[0], readers[odd], `"${name}" holds ${dtype}, of which there is no mean, and differs`);
          yield chunk;
        }
      }
    } finally {
      for (const iterator of iterators) await iterator.return(undefined);
    }
  };
  return { name, dtype, shape, data };
}

function mean(chunks: readonly Uint8Array[], dtype: StoredDtype): Float64Array {
  const sum = new Float64Array(chunks[0].length / storedWidth(dtype));
  for (const chunk of chunks) {
    const values =
      dtype === 'F64' ? new Float64Array(chunk.buffer, chunk.byteOffset, sum.length) : toFloat32(chunk, dtype);
    for (let i = 0; i < sum.length; i++) sum[i] += values[i];
  }
  for (let i = 0; i < sum.length; i++) sum[i] /= chunks.length;
  return sum;
}
