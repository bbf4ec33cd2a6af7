/** Where the values of each parameter of a new encoder-decoder come from. */
import { elementCount } from '@graft/engine/internal';
import { CheckpointError, ConfigError, GraftError, type ParameterSpec, type RandomStream } from '@graft/core';
import { listedProblems, type NormalPool } from '@graft/core/internal';
import {
  copiesCrossAttention,
  crossAttentionReason,
  type CrossAttention,
  type CrossAttentionNorms,
} from './cross-attention';
import type { EncoderDecoderConfig } from '../model/config-types';
import type { ExpandedHeads } from './expanded-heads';
import { mapName, type Side } from './name-mapping';
import { TIED_OUTPUT_NAMES, type SideNames } from '../model/names';
import type { RandomPart } from './parts';
import type { AdaptSources } from './sources';

/** One parameter of the new model and its values. */
export interface AdaptStep {
  readonly spec: ParameterSpec;
  /** undefined: random normal numbers, or zeros if a fresh model has them (norms). */
  readonly from?: { readonly side: Side; readonly name: string };
  /** Repeats the rows of a projection to key/value heads, head by head, so that there are more heads. */
  readonly heads?: ExpandedHeads;
  /** Only this row of the table, times the factor. */
  readonly row?: { readonly index: number; readonly factor: number };
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
  /** `merged`: there are no parameters of cross-attention. */
  readonly crossAttention: 'copied' | 'random' | 'merged';
  /** The reason, as a clause. */
  readonly reason: string;
  /** undefined if there are none. */
  readonly norms?: CrossAttentionNorms;
}

/** The architecture whose parameters are planned, and the names of its sources' layers. */
interface PlanContext {
  readonly config: EncoderDecoderConfig;
  readonly names: Readonly<Record<Side, SideNames>>;
  readonly expanded?: ExpandedHeads;
}

/**
 * Makes the decisions that depend on this model. Throws ConfigError for a copy that shapes forbid, and for choices that
 * contradict each other.
 */
export function decideAdaptation(
  config: EncoderDecoderConfig,
  choices: AdaptChoices,
  sources: Partial<Pick<AdaptSources, 'expanded' | 'form'>>,
): AdaptDecisions {
  if (config.decoder.block.crossAttention === 'merged')
    return { crossAttention: 'merged', reason: sources.form?.reason ?? 'as the model has it' };
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
    crossAttention: copiesCrossAttention(asStored, choice) ? 'copied' : 'random',
    reason: crossAttentionReason(asStored, choice),
    norms: choices.crossAttentionNorms ?? (random ? 'identity' : 'copy'),
  };
}

/** The values of each of these parameters (an encoder-decoder's, or some of them). */
export function planAdaptation(
  specs: readonly ParameterSpec[],
  { crossAttention, norms }: AdaptDecisions,
  random: readonly RandomPart[] = [],
  { config, names, expanded }: PlanContext,
): AdaptStep[] {
  const special = config.endOfImageToken ?? 0;
  const { embeddingScale } = config.encoder.block;
  return specs.map((spec): AdaptStep => {
    const mapped = mapName(spec.name, names);
    if (!mapped)
      throw new GraftError(`"${spec.name}" is not a parameter of an encoder-decoder Gemma.`, {
        code: 'gemma.adapt-name',
      });
    const { side, source: name, cross, row } = mapped;
    if ((random as readonly string[]).includes(spec.part)) return { spec };
    if (cross === 'projection' && crossAttention === 'random') return { spec };
    if (cross === 'norm' && norms === 'identity') return { spec };
    const from = { side, name };
    if (row) {
      // It is not scaled where it is looked up (quirk 11 of the second set): so it begins as what the table gave. A
      // vocabulary without the token never looks it up.
      const { vocabularySize, hidden } = config[side];
      const factor = embeddingScale === 'none' ? 1 : Math.sqrt(hidden);
      return special < vocabularySize ? { spec, from, row: { index: special, factor } } : { spec };
    }
    const repeats = expanded && side === 'encoder' && /\.self_attn\.[kv]_proj\./.test(name);
    return { spec, from, ...(repeats ? { heads: expanded } : {}) };
  });
}

/** Layers that these names of a decoder-only model belong to. */
function layersIn(names: Iterable<string>): number {
  let layers = 0;
  for (const name of names) layers = Math.max(layers, 1 + Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1));
  return layers;
}

/** Refuses a side that is deeper than the checkpoint of its origin. */
function checkDepth(side: Side, wanted: number, sources: AdaptSources): void {
  const { path } = sources[side];
  const there = sources.layers(side);
  if (wanted <= there) return;
  throw new CheckpointError(`The model's ${side} should have ${wanted} layers, but ${path} has ${there}.`, {
    code: 'gemma.depth',
    exitCode: 2,
    hint: `Ask for at most ${there} layers (model.${side}.layers), take a deeper checkpoint, or leave that side to chance (random: [${side}]).`,
  });
}

/** Refuses a plan whose sources lack a tensor or have one of another shape; names at most five. */
export function checkPlan(plan: readonly AdaptStep[], sources: AdaptSources): void {
  const problems = plan.flatMap(({ spec, from, heads, row }) => {
    if (!from) return [];
    const reader = sources[from.side];
    const name = sources.stored(from.side, from.name);
    const info = reader.tensors.get(name);
    if (!info) return [`${reader.path} has no "${name}"`];
    const [rows, ...width] = info.shape;
    const made = row ? width : heads ? [(rows / heads.from) * heads.to, ...width] : info.shape;
    if (made.join() === spec.shape.join()) return [];
    return [
      `"${name}" of ${reader.path} has shape [${info.shape.join(', ')}], but "${spec.name}" should have [${spec.shape.join(', ')}]`,
    ];
  });
  if (problems.length === 0) return;
  for (const side of ['encoder', 'decoder'] as const) {
    const wanted = layersIn(plan.flatMap(({ from }) => (from?.side === side ? [from.name] : [])));
    checkDepth(side, wanted, sources);
  }
  throw new CheckpointError(`The checkpoints do not hold what the model needs: ${listedProblems(problems)}.`, {
    code: 'checkpoint.mismatch',
  });
}

/** Tensors of the sources that the plan does not use; the tied output is expected and left out. */
export function unusedTensors(plan: readonly AdaptStep[], sources: AdaptSources): string[] {
  const used = new Set(
    plan.flatMap(({ from }) => (from ? [`${sources[from.side].path}\n${sources.stored(from.side, from.name)}`] : [])),
  );
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
 * Normal numbers for one parameter, or the zeros or ones of a fresh norm or bias, in pieces. They depend only on the
 * stream and the parameter's name.
 */
export async function* normalChunks(
  { pool, random, std }: Draws,
  { name, shape, initial }: Pick<ParameterSpec, 'name' | 'shape' | 'initial'>,
): AsyncGenerator<Float32Array> {
  const length = elementCount(shape);
  if (initial === 'normal') yield* pool.draw(random.fork(name), length, std);
  else yield new Float32Array(length).fill(initial === 'ones' ? 1 : 0);
}
