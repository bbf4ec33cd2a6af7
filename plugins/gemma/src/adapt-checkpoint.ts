import {
  configDtypeName,
  CheckpointError,
  fromFloat32,
  isFloatDtype,
  parseFloatDtype,
  sourceBytes,
  toFloat32,
  writeCheckpoint,
  type CheckpointReader,
  type StoredDtype,
  type TensorSource,
} from '@graft/checkpoint';
import { createRandom, type RandomStream } from '@graft/core';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AdaptSources,
  checkPlan,
  normalChunks,
  planAdaptation,
  unusedTensors,
  type AdaptStep,
  type CrossAttention,
} from './adapt-plan';
import { toCheckpointConfig } from './config';
import { parameterCount } from './parameters';

/** Standard deviation of random projections where none is given; the published configurations' initializer_range. */
export const DEFAULT_STD = 0.02;

export interface AdaptRequest {
  /** Folder of the decoder-only checkpoint that becomes the encoder. */
  encoder: string;
  /** Folder of the one that becomes the decoder. Default: the encoder's. */
  decoder?: string;
  /** The new checkpoint's folder; it must not exist. */
  out: string;
  /** Default auto. */
  crossAttention?: CrossAttention;
  /** Of random projections. Default 0. */
  seed?: number;
  /** Standard deviation of random projections. Default 0.02. */
  std?: number;
  /** float32, bfloat16 or float16. Default: the sources' if they agree, else float32. */
  dtype?: string;
  /** Called after every tensor. */
  onProgress?: (progress: AdaptProgress) => void;
}

export interface AdaptProgress {
  readonly tensor: string;
  readonly doneTensors: number;
  readonly tensors: number;
  readonly doneBytes: number;
  readonly bytes: number;
}

export interface AdaptReport {
  readonly out: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  /** As config.json spells it. */
  readonly dtype: string;
  readonly crossAttention: 'copied' | 'random';
  /** Names of the parameters that were drawn at random. */
  readonly random: readonly string[];
  /** Tensors of the sources that the new model has no use for. */
  readonly unused: readonly string[];
}

/** Tensors that are copied at a time: a disk answers several requests sooner than one after the other. */
const CONCURRENCY = 4;

/** Files beside the weights that belong to the vocabulary; taken along from the decoder's folder. */
const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
];

/**
 * Makes an encoder-decoder checkpoint out of one or two decoder-only ones, streaming: at most one chunk of a tensor is
 * in memory. Bytes are copied as they are where dtypes agree. The folder appears whole or not at all.
 */
export async function adaptCheckpoint(request: AdaptRequest): Promise<AdaptReport> {
  const { out, crossAttention = 'auto', seed = 0, std = DEFAULT_STD } = request;
  const sources = await AdaptSources.open(request.encoder, request.decoder);
  try {
    const dtype = request.dtype === undefined ? sources.commonDtype : parseFloatDtype(request.dtype);
    const plan = planAdaptation(sources.config, crossAttention);
    checkPlan(plan, sources);
    const random = createRandom(seed).fork('adapt');
    const tensors = plan.map((step) => streamedSource(step, sources, dtype, random, std));
    const bytes = tensors.reduce((sum, source) => sum + sourceBytes(source), 0);
    let doneTensors = 0;
    let doneBytes = 0;
    const reported = tensors.map((source) => ({
      ...source,
      data: async function* () {
        yield* source.data();
        doneTensors++;
        doneBytes += sourceBytes(source);
        request.onProgress?.({ tensor: source.name, doneTensors, tensors: tensors.length, doneBytes, bytes });
      },
    }));
    await writeCheckpoint(out, {
      config: toCheckpointConfig(sources.config, configDtypeName(dtype)),
      generationConfig: await sources.decoder.generationConfig(),
      tensors: reported,
      extraFiles: await tokenizerFiles(sources.decoder.path),
      concurrency: CONCURRENCY,
    });
    const drawn = plan.filter(({ from }) => !from).map(({ spec }) => spec.name);
    return {
      out,
      tensors: plan.length,
      parameters: parameterCount(plan.map(({ spec }) => spec)),
      bytes,
      dtype: configDtypeName(dtype),
      crossAttention: drawn.length > 0 ? 'random' : 'copied',
      random: drawn,
      unused: unusedTensors(plan, sources),
    };
  } finally {
    await sources.close();
  }
}

interface StreamedSource extends TensorSource {
  data(): AsyncIterable<Uint8Array>;
}

function streamedSource(
  step: AdaptStep,
  sources: AdaptSources,
  dtype: StoredDtype,
  random: RandomStream,
  std: number,
): StreamedSource {
  const { spec, from } = step;
  const data = async function* (): AsyncGenerator<Uint8Array> {
    if (from) yield* converted(sources[from.side], from.name, dtype);
    else for (const chunk of normalChunks(random, spec, std)) yield fromFloat32(chunk, dtype);
  };
  return { name: spec.name, dtype, shape: spec.shape, data };
}

/** A stored tensor's bytes in another dtype, chunk by chunk; as they are where the dtypes agree. */
async function* converted(reader: CheckpointReader, name: string, dtype: StoredDtype): AsyncGenerator<Uint8Array> {
  const { dtype: stored, file } = reader.info(name);
  if (!isFloatDtype(stored)) {
    throw new CheckpointError(
      `${file}: "${name}" holds ${stored}, no floating-point numbers; expected F32, F16 or BF16.`,
      {
        code: 'checkpoint.dtype',
      },
    );
  }
  for await (const chunk of reader.chunks(name))
    yield stored === dtype ? chunk : fromFloat32(toFloat32(chunk, stored), dtype);
}

async function tokenizerFiles(folder: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const name of TOKENIZER_FILES) {
    const content = await readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw error;
    });
    if (content) files[name] = content;
  }
  return files;
}
