import { configDtypeName, fromFloat32, parseFloatDtype, recordFile, type StoredDtype } from '@graft/checkpoint';
import type { FileRange } from '@graft/checkpoint/internal';
import { countParameters, createRandom } from '@graft/core';
import { NormalPool } from '@graft/core/internal';
import type { CrossAttention, CrossAttentionNorms } from './cross-attention';
import type { ExpandedHeads, ExpandHeads } from './expanded-heads';
import type { CrossAttentionFormChoice, PreserveFunction } from './form';
import type { RandomPart } from './parts';
import {
  checkPlan,
  decideAdaptation,
  normalChunks,
  planAdaptation,
  unusedTensors,
  type AdaptStep,
  type Draws,
} from './plan';
import { ADAPTED_SECTION, adaptedSection } from './record';
import { AdaptSources } from './sources';
import { toCheckpointConfig } from '../model/config';
import type { FunctionPreserving } from '../model/config-types';
import { parameterSpecs } from '../model/parameters';
import { converted, scaledRow, writeStreamed, type StreamedSource, type StreamProgress } from './stream-checkpoint';

/** Standard deviation of random projections if none is given; the published configurations' initializer_range. */
export const DEFAULT_STD = 0.02;

/** What to adapt, and where to. */
export interface AdaptRequest {
  /** Folder of the decoder-only checkpoint that becomes the encoder. */
  encoder: string;
  /** Folder of the checkpoint that becomes the decoder. Default: the encoder's. */
  decoder?: string;
  /** The new checkpoint's folder; it must not exist. */
  out: string;
  /**
   * How the decoder reads the source: by projections of its own (`separate`), or in one softmax with its own tokens
   * (`merged`), without any. Default auto: merged for two sides of one Gemma 3, otherwise separate.
   */
  crossAttentionForm?: CrossAttentionFormChoice;
  /** One embedding table for both sides and the output. Default: true for T5Gemma 2, otherwise false. */
  tieEncoderEmbedding?: boolean;
  /**
   * Whether the pair begins in the form that computes what the checkpoint does (merged attention layer by layer, and an
   * encoder that looks back); with `steps`, the number of training steps in which it turns into its own form. Default
   * false.
   */
  preserveFunction?: PreserveFunction;
  /** Initial values of separate cross-attention. Default auto. */
  crossAttention?: CrossAttention;
  /** Default copy; identity (gain 1) if cross-attention is among the random parts. */
  crossAttentionNorms?: CrossAttentionNorms;
  /**
   * Repeats the encoder's key/value heads, so that every query head has its own. The function is unchanged. Default:
   * nothing.
   */
  expandHeads?: ExpandHeads;
  /** Parts that are not taken from the checkpoints, for ablations. Default: none. */
  random?: readonly RandomPart[];
  /** Seed of the random parts. Default 0. */
  seed?: number;
  /** Standard deviation of the random parts. Default 0.02. */
  std?: number;
  /** float32, bfloat16 or float16. Default: the sources' if they agree, otherwise float32. */
  dtype?: string;
  /** Largest file of weights, in bytes; finished files survive an interruption. Default 5 GB. */
  maxShardBytes?: number;
  /**
   * Continues what an interrupted call with the same request left in `<out>.unfinished`; starts from scratch if there
   * is nothing.
   */
  resume?: boolean;
  /**
   * Aborting it ends the call with a CheckpointError, code `gemma.adapt-interrupted`; finished files are kept for
   * `resume`.
   */
  signal?: AbortSignal;
  /** Called after every piece that was written, and once for the files that `resume` found. */
  onProgress?: (progress: StreamProgress) => void;
  /** Called with a sentence if it takes a while to find out whether another process is still writing there. */
  onWatch?: (sentence: string) => void;
}

/** How far an adaptation is. */
export type AdaptProgress = StreamProgress;

/** What an adaptation has written. */
export interface AdaptReport {
  readonly out: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  /** As config.json spells it. */
  readonly dtype: string;
  readonly crossAttention: 'copied' | 'random' | 'merged';
  /** The reason, as a clause. */
  readonly crossAttentionReason: string;
  /** identity: gain 1. undefined: merged attention has none. */
  readonly crossAttentionNorms?: 'copied' | 'identity';
  /** The family whose layout the folder has. */
  readonly family: string;
  /** The form in which the pair begins, if that is not its own. */
  readonly functionPreserving?: FunctionPreserving;
  /** The two sides have tokenizers of their own, both of which were copied. */
  readonly hasTwoTokenizers: boolean;
  /** The encoder's key/value heads, if they were repeated. */
  readonly expandedHeads?: ExpandedHeads;
  /** Names of the parameters that no checkpoint provided: random numbers, or norms at gain 1. */
  readonly random: readonly string[];
  /** Tensors of the sources that the new model does not use. */
  readonly unused: readonly string[];
}

/**
 * Makes an encoder-decoder checkpoint of one or two decoder-only ones by streaming: at most a few chunks of tensors are
 * in memory. Bytes are copied unchanged if dtypes agree. The folder appears complete or not at all; an interruption
 * leaves `<out>.unfinished`, which nothing treats as a checkpoint, for `resume`.
 */
export async function adaptCheckpoint(request: AdaptRequest): Promise<AdaptReport> {
  const { out, seed = 0, std = DEFAULT_STD } = request;
  const sources = await AdaptSources.open(request.encoder, request.decoder, request);
  const pool = new NormalPool();
  try {
    const dtype = request.dtype === undefined ? sources.commonDtype : parseFloatDtype(request.dtype);
    const { config, expanded } = sources;
    const decided = decideAdaptation(config, request, sources);
    const plan = planAdaptation(parameterSpecs(config), decided, request.random, sources);
    checkPlan(plan, sources);
    if (config.tieEncoderEmbedding) await sources.checkSharedTable();
    const tokenizers = await sources.tokenizers();
    const random = createRandom(seed).fork('adapt');
    const tensors = plan.map((step) => streamedSource(step, sources, dtype, { pool, random, std }));
    const drawn = plan.filter(({ from }) => !from).map(({ spec }) => spec.name);
    const { crossAttention, reason } = decided;
    const adapted = adaptedSection(request, decided, sources, { seed, std, dtype: configDtypeName(dtype) });
    const bytes = await writeStreamed(request, {
      verb: 'Adapting',
      interruptedCode: 'gemma.adapt-interrupted',
      config: toCheckpointConfig(config, configDtypeName(dtype)),
      generationConfig: await sources.generationConfig(),
      tensors,
      extraFiles: { ...tokenizers.files, ...recordFile({ ...tokenizers.record, [ADAPTED_SECTION]: adapted }) },
      plan: { ...adapted, form: sources.form },
      sources: sources.readers,
    });
    return {
      out,
      tensors: plan.length,
      parameters: countParameters({ parameters: plan.map(({ spec }) => spec) }),
      bytes,
      dtype: configDtypeName(dtype),
      crossAttention,
      crossAttentionReason: reason,
      ...(decided.norms && { crossAttentionNorms: decided.norms === 'copy' ? 'copied' : 'identity' }),
      family: config.family,
      ...(config.functionPreserving && { functionPreserving: config.functionPreserving }),
      hasTwoTokenizers: tokenizers.areTwo,
      ...(expanded ? { expandedHeads: expanded } : {}),
      random: drawn,
      unused: unusedTensors(plan, sources),
    };
  } finally {
    await pool.dispose();
    await sources.close();
  }
}

function streamedSource(step: AdaptStep, sources: AdaptSources, dtype: StoredDtype, draws: Draws): StreamedSource {
  const { spec, from, heads, row } = step;
  const data = async function* (): AsyncGenerator<Uint8Array | FileRange> {
    if (from) {
      const reader = sources[from.side];
      const name = sources.stored(from.side, from.name);
      if (row) yield fromFloat32(await scaledRow(reader, name, row), dtype);
      else yield* converted(reader, name, dtype, heads);
    } else
      for await (const chunk of normalChunks(draws, spec))
        yield fromFloat32(chunk, dtype, new Uint16Array(chunk.buffer, chunk.byteOffset, chunk.length));
  };
  return { name: spec.name, dtype, shape: spec.shape, data, computed: !from };
}
