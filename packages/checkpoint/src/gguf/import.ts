import { CheckpointError, formatSize } from '@graft/errors';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { recordFile } from '../folder/record-file';
import { writeCheckpointResumably } from '../folder/resumable';
import type { CheckpointContents } from '../folder/write-folder';
import { configDtypeName, parseFloatDtype, type StoredDtype } from '../safetensors/dtypes';
import { elementCount } from '../safetensors/shape';
import { sourceBytes } from '../safetensors/header';
import type { TensorSource } from '../safetensors/writer';
import { describeModel, ROPE_FACTORS, type ImportedModel, type ImportedTensor } from './architecture';
import { importedBytes } from './imported-data';
import { GgufReader } from './reader';
import { importTokenizer, type ImportedTokenizer } from './tokenizer';

/** What `importGguf` is asked for. */
export interface ImportRequest {
  /** The GGUF file. */
  readonly file: string;
  /** The new folder; it must not exist. */
  readonly out: string;
  /** float32, bfloat16 or float16. Default: the file's, if all its matrices are float16 or bfloat16; else float32. */
  readonly dtype?: string;
  /** Called after every piece that was written. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly bytes: number }) => void;
  /** Called with a sentence if it takes a while to find out whether another process is still writing there. */
  readonly onWatch?: (sentence: string) => void;
  /** Aborting it ends the call with a CheckpointError, code `checkpoint.import-interrupted`. */
  readonly signal?: AbortSignal;
  /** Continues what an interrupted call with the same request left. */
  readonly resume?: boolean;
  /** Largest file of weights, in bytes. Default 5 GB. */
  readonly maxShardBytes?: number;
}

/** What was imported. */
export interface ImportReport {
  readonly out: string;
  /** As config.json names it. */
  readonly modelType: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  /** As config.json spells it. */
  readonly dtype: string;
  /** Formats of the file's tensors, with the number of each: `Q4_K: 27`. */
  readonly formats: Readonly<Record<string, number>>;
  /** Sentences about what the file leaves open. */
  readonly notes: readonly string[];
}

/**
 * Writes a llama.cpp GGUF file as a Hugging Face folder: config.json with the published `model_type`, tensors under the
 * published names, tokenizer, chat template and generation_config.json. Streams: a few pieces of tensors are in memory.
 * The folder appears complete or not at all. Throws CheckpointError naming what is damaged or not supported.
 */
export async function importGguf(request: ImportRequest): Promise<ImportReport> {
  const { file, out, resume, onWatch } = request;
  const reader = await GgufReader.open(file);
  try {
    const { model, tokenizer } = await describe(reader);
    const asked = request.dtype === undefined ? undefined : parseFloatDtype(request.dtype);
    const dtype = asked ?? commonDtype(model.tensors);
    const plain = model.tensors.map((tensor) => sourceOf(reader, tensor, dtype));
    const bytes = plain.reduce((sum, source) => sum + sourceBytes(source), 0);
    const { tensors, onKept } = reported(plain, bytes, request);
    const { size, mtimeMs } = await stat(file);
    const imported = { from: resolve(file), bytes: size, dtype: configDtypeName(dtype) };
    await writeCheckpointResumably(
      out,
      {
        ...small(model, tokenizer, imported),
        tensors,
        maxShardBytes: request.maxShardBytes,
      },
      {
        plan: { ...imported, changed: new Date(mtimeMs).toISOString(), maxShardBytes: request.maxShardBytes },
        resume,
        onKept,
        onWatch,
      },
    );
    const formats: Record<string, number> = {};
    for (const { from } of model.tensors) formats[from.type.name] = (formats[from.type.name] ?? 0) + 1;
    return {
      out,
      modelType: String(model.config.model_type),
      tensors: plain.length,
      parameters: plain.reduce((sum, { shape }) => sum + elementCount(shape), 0),
      bytes,
      dtype: configDtypeName(dtype),
      formats,
      notes: tokenizer.notes,
    };
  } finally {
    await reader.close();
  }
}

async function describe(reader: GgufReader): Promise<{ model: ImportedModel; tokenizer: ImportedTokenizer }> {
  const { file, metadata, tensors } = reader;
  const factors = tensors.get(ROPE_FACTORS);
  if (factors && factors.values > MOST_FACTORS)
    throw new CheckpointError(
      `${file} is not a whole GGUF file: tensor "${ROPE_FACTORS}" has ${factors.values} values, expected one for each pair of a head.`,
      { code: 'checkpoint.malformed' },
    );
  const divisors =
    factors && (await reader.rows(ROPE_FACTORS, 0, factors.values / factors.shape[factors.shape.length - 1]));
  const model = describeModel(file, reader, divisors);
  return { model, tokenizer: importTokenizer(file, metadata, Number(model.config.vocab_size)) };
}

/** Half of the largest head that is believed. */
const MOST_FACTORS = 1 << 13;

/** The dtype of all matrices, where it is one that folders have; otherwise float32, which loses nothing. */
function commonDtype(tensors: readonly ImportedTensor[]): 'F32' | 'F16' | 'BF16' {
  const names = new Set(tensors.filter(({ from }) => from.shape.length > 1).map(({ from }) => from.type.name));
  const [name] = names;
  return names.size === 1 && (name === 'F16' || name === 'BF16') ? name : 'F32';
}

function sourceOf(reader: GgufReader, tensor: ImportedTensor, dtype: StoredDtype): ImportedSource {
  return {
    name: tensor.name,
    dtype,
    shape: tensor.from.shape,
    data: () => importedBytes(reader, tensor, dtype),
  };
}

interface ImportedSource extends TensorSource {
  data(): AsyncGenerator<Uint8Array>;
}

/** The files next to the tensors. */
function small(
  { config }: ImportedModel,
  { files, ids, addsBos }: ImportedTokenizer,
  imported: Readonly<Record<string, unknown>>,
): Pick<CheckpointContents, 'config' | 'generationConfig' | 'extraFiles'> {
  const eos = ids.ends.length > 1 ? [...ids.ends] : ids.ends[0];
  const special = {
    ...(ids.bos === undefined ? {} : { bos_token_id: ids.bos }),
    ...(eos === undefined ? {} : { eos_token_id: eos }),
    ...(ids.pad === undefined ? {} : { pad_token_id: ids.pad }),
  };
  return {
    // Graft's own key: by default, decoder-only models read BOS in front of every text.
    config: {
      ...config,
      ...special,
      dtype: imported.dtype,
      ...(addsBos ? {} : { special_token_policy: { decoder: { bos: false } } }),
    },
    generationConfig: special,
    extraFiles: { ...files, ...recordFile({ imported }) },
  };
}

/** Sources that report their progress, and stop on request; `onKept` is for those that an earlier call has written. */
function reported(
  sources: readonly ImportedSource[],
  bytes: number,
  { out, signal, onProgress }: ImportRequest,
): { tensors: TensorSource[]; onKept: (kept: readonly TensorSource[]) => void } {
  let doneBytes = 0;
  const add = (more: number): void => onProgress?.({ doneBytes: (doneBytes += more), bytes });
  const tensors = sources.map((source) => ({
    ...source,
    async *data() {
      for await (const piece of source.data()) {
        if (signal?.aborted)
          throw new CheckpointError(`Importing into ${out} was interrupted after ${formatSize(doneBytes)}.`, {
            code: 'checkpoint.import-interrupted',
            hint: 'Finished files are kept; the same call with resume (--resume) continues from there.',
          });
        yield piece;
        add(piece.byteLength);
      }
    },
  }));
  return { tensors, onKept: (kept) => kept.forEach((source) => add(sourceBytes(source))) };
}
