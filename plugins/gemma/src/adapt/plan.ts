import { elementCount } from '@graft/engine/internal';
import { CheckpointReader } from '@graft/checkpoint';
import { resolve } from 'node:path';
import { CheckpointError, ConfigError, GraftError, type ParameterSpec, type RandomStream } from '@graft/core';
import { listedProblems, type NormalPool } from '@graft/core/internal';
import {
  copiesCrossAttention,
  crossAttentionReason,
  type CrossAttention,
  type CrossAttentionNorms,
} from './cross-attention';
import { familyOf } from '../families';
import { checkPair } from '../families/pair';
import { readModelConfig } from '../model/config';
import type { EncoderDecoderConfig, GemmaOptions, DecoderOnlyConfig } from '../model/config-types';
import type { ExpandedHeads, ExpandHeads } from './expanded-heads';
import { checkDeclared } from '../load/declared-tensors';
import { adaptedGenerationConfig, generationDefaults, readGenerationConfig } from '../generate/generation-defaults';
import { mapName, type Side } from './name-mapping';
import { TIED_OUTPUT_NAMES } from '../model/names';
import { commonDtype } from './stream-checkpoint';

/** Parts that an ablation may initialize at random instead of from the checkpoints. */
export const RANDOM_PARTS = ['encoder', 'decoder', 'cross-attention', 'embedding'] as const;

/** A part of the new model that can be initialized at random. */
export type RandomPart = (typeof RANDOM_PARTS)[number];

/** One parameter of the new model and its values. */
export interface AdaptStep {
  readonly spec: ParameterSpec;
  /** undefined: random normal numbers, or zeros if a fresh model has them (norms). */
  readonly from?: { readonly side: Side; readonly name: string };
  /** Repeats the rows of a projection to key/value heads, head by head, so that there are more heads. */
  readonly heads?: ExpandedHeads;
}

/** The two decoder-only checkpoints that become an encoder-decoder. If they are the same, it is opened once. */
export class AdaptSources {
  private constructor(
    readonly encoder: CheckpointReader,
    readonly decoder: CheckpointReader,
    /** The encoder-decoder's configuration: each side from its source's config.json, except for expanded heads. */
    readonly config: EncoderDecoderConfig,
    /** The encoder's key/value heads if they are to be repeated; otherwise undefined. */
    readonly expanded?: ExpandedHeads,
  ) {}

  /** Throws if a folder is not a decoder-only Gemma 2, or if the two do not fit together. */
  static async open(
    encoderPath: string,
    decoderPath = encoderPath,
    options: GemmaOptions & { readonly expandHeads?: ExpandHeads } = {},
  ): Promise<AdaptSources> {
    const encoder = await CheckpointReader.open(encoderPath);
    let decoder = encoder;
    try {
      if (resolve(decoderPath) !== resolve(encoderPath)) decoder = await CheckpointReader.open(decoderPath);
      const target = await readDecoderOnly(decoder);
      const source = (await readDecoderOnly(encoder)).decoder;
      const { heads, keyValueHeads } = source;
      const expanded =
        options.expandHeads === 'encoder' && keyValueHeads < heads ? { from: keyValueHeads, to: heads } : undefined;
      const config: EncoderDecoderConfig = {
        kind: 'encoder-decoder',
        family: 't5gemma',
        encoder: expanded ? { ...source, keyValueHeads: heads } : source,
        decoder: target.decoder,
        encoderWindow: options.encoderWindow ?? 'strict',
        tieEncoderEmbedding: options.tieEncoderEmbedding ?? false,
        initializerRange: target.initializerRange,
        ...(target.untiedOutput ? { untiedOutput: true } : {}),
        // One rate for both sides: the decoder's source decides.
        ...(target.dropout ? { dropout: target.dropout } : {}),
      };
      checkPair(
        config.encoder,
        config.decoder,
        config.tieEncoderEmbedding,
        `${encoderPath} and ${decoderPath} do not go together`,
      );
      return new AdaptSources(encoder, decoder, config, expanded);
    } catch (error) {
      await encoder.close();
      if (decoder !== encoder) await decoder.close();
      throw error;
    }
  }

  get readers(): readonly CheckpointReader[] {
    return this.encoder === this.decoder ? [this.encoder] : [this.encoder, this.decoder];
  }

  /** The sources' stored dtype if all their tensors agree, otherwise float32. */
  get commonDtype(): 'F32' | 'F16' | 'BF16' {
    return commonDtype(this.readers);
  }

  /**
   * The decoder's generation_config.json, adapted to the encoder-decoder. Throws CheckpointError if it is malformed.
   */
  async generationConfig(): Promise<Record<string, unknown> | undefined> {
    const found = await readGenerationConfig(this.decoder, this.config);
    if (!found) return undefined;
    generationDefaults(this.config, found.json, found.where);
    return adaptedGenerationConfig(this.config, found.json);
  }

  async close(): Promise<void> {
    for (const reader of this.readers) await reader.close();
  }
}

async function readDecoderOnly(reader: CheckpointReader): Promise<DecoderOnlyConfig> {
  const where = `${reader.path}/config.json`;
  const config = readModelConfig(await reader.config(), {}, where);
  if (config.kind === 'decoder-only' && config.family === 'gemma2') {
    checkDeclared(config, reader);
    return config;
  }
  const { title } = familyOf(config);
  const held = {
    'decoder-only': `a decoder-only ${title}`,
    'encoder-only': 'an encoder alone',
    'encoder-decoder': 'an encoder-decoder already',
  }[config.kind];
  throw new CheckpointError(`${reader.path} holds ${held}; adapting takes decoder-only Gemma 2 checkpoints.`, {
    code: 'gemma.adapt-kind',
    exitCode: 2,
  });
}

/** Choices for an adaptation; all have defaults. */
export interface AdaptChoices {
  /** Default auto. */
  readonly crossAttention?: CrossAttention;
  /** Default copy; identity if cross-attention is among the random parts. */
  readonly crossAttentionNorms?: CrossAttentionNorms;
  /** Parts that are not taken from the checkpoints, for ablations. Default: none. */
  readonly random?: readonly RandomPart[];
}

/** The decisions that follow from an adaptation's choices. */
export interface AdaptDecisions {
  readonly copiesProjections: boolean;
  /** The reason, as a clause. */
  readonly reason: string;
  readonly norms: CrossAttentionNorms;
}

/**
 * Makes the decisions that depend on this model. Throws ConfigError for a copy that shapes forbid, and for choices that
 * contradict each other.
 */
export function decideAdaptation(
  config: EncoderDecoderConfig,
  choices: AdaptChoices,
  sources: Pick<AdaptSources, 'expanded'>,
): AdaptDecisions {
  const random = choices.random?.includes('cross-attention') === true;
  if (random && choices.crossAttentionNorms === 'copy') {
    throw new ConfigError(
      'The norms of cross-attention cannot be copied (crossAttentionNorms: copy) where cross-attention is a random part.',
      {
        code: 'gemma.cross-attention-norms',
        hint: 'Leave one of the two out; crossAttention: random draws the projections and keeps the norms.',
      },
    );
  }
  const choice = random ? 'random' : (choices.crossAttention ?? 'auto');
  // Repeated heads do not change the function, so the sides are compared as their sources are.
  const { expanded } = sources;
  const asStored = expanded ? { ...config, encoder: { ...config.encoder, keyValueHeads: expanded.from } } : config;
  return {
    copiesProjections: copiesCrossAttention(asStored, choice),
    reason: crossAttentionReason(asStored, choice),
    norms: choices.crossAttentionNorms ?? (random ? 'identity' : 'copy'),
  };
}

/** The values of each of these parameters (an encoder-decoder's, or some of them). */
export function planAdaptation(
  specs: readonly ParameterSpec[],
  { copiesProjections, norms }: AdaptDecisions,
  random: readonly RandomPart[] = [],
  sources: Pick<AdaptSources, 'expanded'> = {},
): AdaptStep[] {
  return specs.map((spec): AdaptStep => {
    const mapped = mapName(spec.name);
    if (!mapped)
      throw new GraftError(`"${spec.name}" is not a parameter of an encoder-decoder Gemma.`, {
        code: 'gemma.adapt-name',
      });
    const { side, source: name, cross } = mapped;
    if ((random as readonly string[]).includes(spec.part)) return { spec };
    if (cross === 'projection' && !copiesProjections) return { spec };
    if (cross === 'norm' && norms === 'identity') return { spec };
    const { expanded } = sources;
    const repeats = expanded && side === 'encoder' && /\.self_attn\.[kv]_proj\./.test(name);
    return { spec, from: { side, name }, ...(repeats ? { heads: expanded } : {}) };
  });
}

/** Layers that these names of Gemma 2 belong to. */
function layersIn(names: Iterable<string>): number {
  let layers = 0;
  for (const name of names) layers = Math.max(layers, 1 + Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1));
  return layers;
}

/** Refuses a side that is deeper than the checkpoint of its origin. */
function checkDepth(side: Side, wanted: number, { path, tensors }: CheckpointReader): void {
  const there = layersIn(tensors.keys());
  if (wanted <= there) return;
  throw new CheckpointError(`The model's ${side} should have ${wanted} layers, but ${path} has ${there}.`, {
    code: 'gemma.depth',
    exitCode: 2,
    hint: `Ask for at most ${there} layers (model.${side}.layers), take a deeper checkpoint, or leave that side to chance (random: [${side}]).`,
  });
}

/** Refuses a plan whose sources lack a tensor or have one of another shape; names at most five. */
export function checkPlan(plan: readonly AdaptStep[], sources: AdaptSources): void {
  const problems = plan.flatMap(({ spec, from, heads }) => {
    if (!from) return [];
    const reader = sources[from.side];
    const info = reader.tensors.get(from.name);
    if (!info) return [`${reader.path} has no "${from.name}"`];
    const [rows, ...width] = info.shape;
    const made = heads ? [(rows / heads.from) * heads.to, ...width] : info.shape;
    if (made.join() === spec.shape.join()) return [];
    return [
      `"${from.name}" of ${reader.path} has shape [${info.shape.join(', ')}], but "${spec.name}" should have [${spec.shape.join(', ')}]`,
    ];
  });
  if (problems.length === 0) return;
  for (const side of ['encoder', 'decoder'] as const) {
    const wanted = layersIn(plan.flatMap(({ from }) => (from?.side === side ? [from.name] : [])));
    checkDepth(side, wanted, sources[side]);
  }
  throw new CheckpointError(`The checkpoints do not hold what the model needs: ${listedProblems(problems)}.`, {
    code: 'checkpoint.mismatch',
  });
}

/** Tensors of the sources that the plan does not use; the tied output is expected and left out. */
export function unusedTensors(plan: readonly AdaptStep[], sources: AdaptSources): string[] {
  const used = new Set(plan.flatMap(({ from }) => (from ? [`${sources[from.side].path}\n${from.name}`] : [])));
  return sources.readers.flatMap((reader) =>
    [...reader.tensors.keys()].filter(
      (name) => !used.has(`${reader.path}\n${name}`) && !TIED_OUTPUT_NAMES.includes(name),
    ),
  );
}

/** The source of random values. */
export interface Draws {
  readonly pool: NormalPool;
  readonly random: RandomStream;
  /** Standard deviation. */
  readonly std: number;
}

/**
 * Normal numbers for one parameter, or the zeros of a fresh norm, in pieces. They depend only on the stream and the
 * parameter's name.
 */
export async function* normalChunks(
  { pool, random, std }: Draws,
  { name, shape, initial }: Pick<ParameterSpec, 'name' | 'shape' | 'initial'>,
): AsyncGenerator<Float32Array> {
  const length = elementCount(shape);
  if (initial === 'normal') yield* pool.draw(random.fork(name), length, std);
  else yield new Float32Array(length);
}
