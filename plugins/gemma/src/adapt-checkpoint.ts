import {
  configDtypeName,
  CheckpointError,
  fromFloat32,
  isFloatDtype,
  parseFloatDtype,
  readTokenizerFiles,
  sourceBytes,
  toFloat32,
  writeCheckpoint,
  type CheckpointReader,
  type StoredDtype,
  type TensorSource,
} from '@graft/checkpoint';
import { createRandom, type RandomStream } from '@graft/core';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  AdaptSources,
  checkPlan,
  copiesCrossAttention,
  crossAttentionReason,
  normalChunks,
  planAdaptation,
  unusedTensors,
  type AdaptStep,
  type CrossAttention,
  type RandomPart,
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
  /** Parts that are not taken from the checkpoints, for ablations. Default: none. */
  random?: readonly RandomPart[];
  /** Of what is random. Default 0. */
  seed?: number;
  /** Standard deviation of what is random. Default 0.02. */
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
  /** Why: a clause. */
  readonly crossAttentionReason: string;
  /** Names of the parameters that were drawn at random. */
  readonly random: readonly string[];
  /** Tensors of the sources that the new model has no use for. */
  readonly unused: readonly string[];
}

/** Tensors that are copied at a time: a disk answers several requests sooner than one after the other. */
const CONCURRENCY = 4;

/** Says beside the weights how they came about. */
const RECORD_FILE = 'graft.json';

function record(
  { encoder, decoder = encoder, random = [], seed, std, crossAttention: asked }: AdaptRequest,
  copies: boolean,
  reason: string,
  dtype: string,
): string {
  const crossAttention = { asked, is: copies ? 'copied' : 'random', reason };
  const adapted = { encoder: resolve(encoder), decoder: resolve(decoder), crossAttention, random, seed, std, dtype };
  return `${JSON.stringify({ adapted }, null, 2)}\n`;
}

/** Throws CheckpointError where the disk has less room than the new folder takes. */
async function checkFreeSpace(out: string, bytes: number): Promise<void> {
  let folder = dirname(resolve(out));
  // The folder's parents may be made only by writing it.
  let room = await statfs(folder).catch(() => undefined);
  while (!room && dirname(folder) !== folder) {
    folder = dirname(folder);
    room = await statfs(folder).catch(() => undefined);
  }
  if (!room || room.bavail * room.bsize >= bytes) return;
  const gigabytes = (value: number): string => `${(value / 1e9).toFixed(1)} GB`;
  throw new CheckpointError(
    `${out} would take ${gigabytes(bytes)}, but ${folder} has ${gigabytes(room.bavail * room.bsize)} left.`,
    { code: 'checkpoint.disk-full', hint: 'Free some space, write elsewhere, or store a narrower dtype.' },
  );
}

/**
 * Makes an encoder-decoder checkpoint out of one or two decoder-only ones, streaming: at most one chunk of a tensor is
 * in memory. Bytes are copied as they are where dtypes agree. The folder appears whole or not at all.
 */
export async function adaptCheckpoint(request: AdaptRequest): Promise<AdaptReport> {
  const { out, crossAttention = 'auto', seed = 0, std = DEFAULT_STD } = request;
  const sources = await AdaptSources.open(request.encoder, request.decoder);
  try {
    const dtype = request.dtype === undefined ? sources.commonDtype : parseFloatDtype(request.dtype);
    const plan = planAdaptation(sources.config, crossAttention, undefined, request.random);
    checkPlan(plan, sources);
    const random = createRandom(seed).fork('adapt');
    const tensors = plan.map((step) => streamedSource(step, sources, dtype, random, std));
    const bytes = tensors.reduce((sum, source) => sum + sourceBytes(source), 0);
    await checkFreeSpace(out, bytes);
    const drawn = plan.filter(({ from }) => !from).map(({ spec }) => spec.name);
    const copies = copiesCrossAttention(sources.config, crossAttention);
    const reason = crossAttentionReason(sources.config, crossAttention);
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
      extraFiles: {
        ...(await readTokenizerFiles(sources.decoder.path)),
        [RECORD_FILE]: record({ ...request, crossAttention, seed, std }, copies, reason, configDtypeName(dtype)),
      },
      concurrency: CONCURRENCY,
    });
    return {
      out,
      tensors: plan.length,
      parameters: parameterCount(plan.map(({ spec }) => spec)),
      bytes,
      dtype: configDtypeName(dtype),
      crossAttention: copies ? 'copied' : 'random',
      crossAttentionReason: reason,
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
