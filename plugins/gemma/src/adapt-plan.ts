import { CheckpointReader } from '@graft/checkpoint';
import { resolve } from 'node:path';
import {
  CheckpointError,
  ConfigError,
  GraftError,
  type NormalPool,
  type ParameterSpec,
  type RandomStream,
} from '@graft/core';
import {
  checkPair,
  parseCheckpointConfig,
  type EncoderDecoderConfig,
  type GemmaOptions,
  type DecoderOnlyConfig,
} from './config';
import { mapName, type Side } from './name-mapping';
import { parameterSpecs, TIED_OUTPUT_NAMES } from './parameters';

/** `auto`: copied where the two sides agree in width and heads (paper, section 3: "balanced"), otherwise random. */
export type CrossAttention = 'auto' | 'copy' | 'random';

export const CROSS_ATTENTION_CHOICES: readonly CrossAttention[] = ['auto', 'copy', 'random'];

/** Parts that an ablation may leave to chance instead of taking them from the checkpoints. */
export const RANDOM_PARTS = ['encoder', 'decoder', 'cross-attention', 'embedding'] as const;
export type RandomPart = (typeof RANDOM_PARTS)[number];

/** One parameter of the new model and what fills it. */
export interface AdaptStep {
  readonly spec: ParameterSpec;
  /** undefined: random normal numbers, or zeros where a fresh model has them (norms). */
  readonly from?: { readonly side: Side; readonly name: string };
}

/** The two decoder-only checkpoints that an encoder-decoder is made of. Twice the same one is opened once. */
export class AdaptSources {
  private constructor(
    readonly encoder: CheckpointReader,
    readonly decoder: CheckpointReader,
    /** The encoder-decoder's configuration: each side as its source's config.json says. */
    readonly config: EncoderDecoderConfig,
  ) {}

  /** Throws when a folder is no decoder-only Gemma 2, or the two do not go together. */
  static async open(encoderPath: string, decoderPath = encoderPath, options: GemmaOptions = {}): Promise<AdaptSources> {
    const encoder = await CheckpointReader.open(encoderPath);
    let decoder = encoder;
    try {
      if (resolve(decoderPath) !== resolve(encoderPath)) decoder = await CheckpointReader.open(decoderPath);
      const target = await readDecoderOnly(decoder);
      const config: EncoderDecoderConfig = {
        kind: 'encoder-decoder',
        encoder: (await readDecoderOnly(encoder)).decoder,
        decoder: target.decoder,
        encoderWindow: options.encoderWindow ?? 'strict',
        tieEncoderEmbedding: options.tieEncoderEmbedding ?? false,
        ...(target.untiedOutput ? { untiedOutput: true } : {}),
      };
      checkPair(
        config.encoder,
        config.decoder,
        config.tieEncoderEmbedding,
        `${encoderPath} and ${decoderPath} do not go together`,
      );
      return new AdaptSources(encoder, decoder, config);
    } catch (error) {
      await encoder.close();
      if (decoder !== encoder) await decoder.close();
      throw error;
    }
  }

  get readers(): readonly CheckpointReader[] {
    return this.encoder === this.decoder ? [this.encoder] : [this.encoder, this.decoder];
  }

  /** The sources' stored dtype if all their tensors agree, else float32. */
  get commonDtype(): 'F32' | 'F16' | 'BF16' {
    const dtypes = new Set(this.readers.flatMap((reader) => [...reader.tensors.values()].map(({ dtype }) => dtype)));
    const [first] = dtypes;
    return dtypes.size === 1 && (first === 'F16' || first === 'BF16') ? first : 'F32';
  }

  async close(): Promise<void> {
    for (const reader of this.readers) await reader.close();
  }
}

async function readDecoderOnly(reader: CheckpointReader): Promise<DecoderOnlyConfig> {
  const where = `${reader.path}/config.json`;
  const config = parseCheckpointConfig(await reader.config(), {}, where);
  if (config.kind === 'decoder-only') return config;
  throw new CheckpointError(
    `${reader.path} holds an encoder-decoder already; adapting takes decoder-only Gemma 2 checkpoints.`,
    {
      code: 'gemma.adapt-kind',
    },
  );
}

/** Fields in which two sides must be equal for self-attention to serve as cross-attention. */
const AGREEMENT = [
  ['hidden', 'hidden size'],
  ['heads', 'query heads'],
  ['keyValueHeads', 'key/value heads'],
  ['headDim', 'head dimension'],
] as const;

/** How the sides differ, in words; empty when cross-attention can be copied by rule. */
export function disagreements({ encoder, decoder }: EncoderDecoderConfig): string[] {
  return AGREEMENT.filter(([field]) => encoder[field] !== decoder[field]).map(
    ([field, words]) => `${words} ${encoder[field]} (encoder) and ${decoder[field]} (decoder)`,
  );
}

const COPY_HINT = 'Take crossAttention random (or auto), and train it first (train.crossAttentionWarmupSteps).';

/** Whether cross-attention's projections are copied. Throws ConfigError when a copy is demanded that shapes forbid. */
export function copiesCrossAttention(config: EncoderDecoderConfig, choice: CrossAttention): boolean {
  if (choice === 'random') return false;
  if (choice === 'auto') return disagreements(config).length === 0;
  const { encoder, decoder } = config;
  if (encoder.hidden !== decoder.hidden) {
    // Keys and values are made from encoder states; the decoder's own self-attention made them from the decoder's.
    const rows = decoder.keyValueHeads * decoder.headDim;
    throw new ConfigError(
      `Cross-attention cannot be copied from the decoder's self-attention: its keys and values are [${rows}, ${decoder.hidden}], but the encoder's hidden size ${encoder.hidden} wants [${rows}, ${encoder.hidden}].`,
      { code: 'gemma.cross-attention-copy', hint: COPY_HINT },
    );
  }
  const differences = disagreements(config);
  if (differences.length > 0) {
    throw new ConfigError(
      `Cross-attention should be copied from the decoder's self-attention, but the two sides differ: ${differences.join('; ')}.`,
      { code: 'gemma.cross-attention-copy', hint: COPY_HINT },
    );
  }
  return true;
}

/** Why cross-attention is copied, or is not: a clause for people. */
export function crossAttentionReason(config: EncoderDecoderConfig, choice: CrossAttention): string {
  if (choice !== 'auto') return 'as asked for';
  const differences = disagreements(config);
  return differences.length === 0
    ? 'the two sides agree in width and heads'
    : `the two sides differ: ${differences.join('; ')}`;
}

/** Cross-attention among the random parts is random, whatever else was chosen; its norms then begin at gain 1 too. */
export const crossAttentionChoice = (choice: CrossAttention, random: readonly RandomPart[] = []): CrossAttention =>
  random.includes('cross-attention') ? 'random' : choice;

/** What fills each of these parameters (an encoder-decoder's, or some of them). `random`: parts left to chance. */
export function planAdaptation(
  config: EncoderDecoderConfig,
  choice: CrossAttention,
  specs: readonly ParameterSpec[] = parameterSpecs(config),
  random: readonly RandomPart[] = [],
): AdaptStep[] {
  const copies = copiesCrossAttention(config, crossAttentionChoice(choice, random));
  return specs.map((spec): AdaptStep => {
    const mapped = mapName(spec.name);
    if (!mapped)
      throw new GraftError(`"${spec.name}" is no parameter of an encoder-decoder Gemma.`, { code: 'gemma.adapt-name' });
    if ((random as readonly string[]).includes(spec.group)) return { spec };
    return mapped.crossProjection && !copies ? { spec } : { spec, from: { side: mapped.side, name: mapped.source } };
  });
}

/** Layers that these names of Gemma 2 belong to. */
function layersIn(names: Iterable<string>): number {
  let layers = 0;
  for (const name of names) layers = Math.max(layers, 1 + Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1));
  return layers;
}

/** Refuses a side that is deeper than the checkpoint which it should come from. */
function checkDepth(side: Side, wanted: number, { path, tensors }: CheckpointReader): void {
  const there = layersIn(tensors.keys());
  if (wanted <= there) return;
  throw new CheckpointError(`The model's ${side} should have ${wanted} layers, but ${path} has ${there}.`, {
    code: 'gemma.depth',
    exitCode: 2,
    hint: `Ask for at most ${there} layers (model.${side}.layers), take a deeper checkpoint, or leave that side to chance (random: [${side}]).`,
  });
}

/** Refuses a plan whose sources lack a tensor or hold one of another shape; names at most five. */
export function checkPlan(plan: readonly AdaptStep[], sources: AdaptSources): void {
  const problems = plan.flatMap(({ spec, from }) => {
    if (!from) return [];
    const reader = sources[from.side];
    const info = reader.tensors.get(from.name);
    if (!info) return [`${reader.path} has no "${from.name}"`];
    if (info.shape.join() === spec.shape.join()) return [];
    return [
      `"${from.name}" of ${reader.path} has shape [${info.shape.join(', ')}], but "${spec.name}" should have [${spec.shape.join(', ')}]`,
    ];
  });
  if (problems.length === 0) return;
  for (const side of ['encoder', 'decoder'] as const) {
    const wanted = layersIn(plan.flatMap(({ from }) => (from?.side === side ? [from.name] : [])));
    checkDepth(side, wanted, sources[side]);
  }
  const more = problems.length > 5 ? `; and ${problems.length - 5} more` : '';
  throw new CheckpointError(
    `The checkpoints do not hold what the model needs: ${problems.slice(0, 5).join('; ')}${more}.`,
    {
      code: 'gemma.checkpoint-mismatch',
    },
  );
}

/** Tensors of the sources that the plan has no use for; the tied output is no surprise and is left out. */
export function unusedTensors(plan: readonly AdaptStep[], sources: AdaptSources): string[] {
  const used = new Set(plan.flatMap(({ from }) => (from ? [`${sources[from.side].path}\n${from.name}`] : [])));
  return sources.readers.flatMap((reader) =>
    [...reader.tensors.keys()].filter(
      (name) => !used.has(`${reader.path}\n${name}`) && !TIED_OUTPUT_NAMES.includes(name),
    ),
  );
}

/** Where what is random comes from. */
export interface Draws {
  readonly pool: NormalPool;
  readonly random: RandomStream;
  /** Standard deviation. */
  readonly std: number;
}

/** Normal numbers for one parameter, or the zeros of a fresh norm, in pieces. They depend on the stream and the parameter's name alone. */
export async function* normalChunks(
  { pool, random, std }: Draws,
  { name, shape, initial }: Pick<ParameterSpec, 'name' | 'shape' | 'initial'>,
): AsyncGenerator<Float32Array> {
  const length = shape.reduce((product, size) => product * size, 1);
  if (initial === 'normal') yield* pool.draw(random.fork(name), length, std);
  else yield new Float32Array(length);
}

/**
 * One table for both sides serves only if both sides had one table: compares two stored tables byte by byte.
 * Throws ConfigError when they differ.
 */
export async function checkSharedTable(
  encoder: { reader: CheckpointReader; name: string },
  decoder: { reader: CheckpointReader; name: string },
): Promise<void> {
  const others = decoder.reader.chunks(decoder.name)[Symbol.asyncIterator]();
  let equal = encoder.reader.info(encoder.name).dtype === decoder.reader.info(decoder.name).dtype;
  if (equal) {
    for await (const chunk of encoder.reader.chunks(encoder.name)) {
      const other = await others.next();
      equal = other.done !== true && Buffer.compare(chunk, other.value) === 0;
      if (!equal) break;
    }
  }
  await others.return?.(undefined);
  if (equal) return;
  throw new ConfigError(
    `tieEncoderEmbedding asks for one embedding table, but the encoder's (${encoder.reader.path}, "${encoder.name}") and the decoder's (${decoder.reader.path}, "${decoder.name}") differ.`,
    { code: 'gemma.tied-tables', hint: 'Leave tieEncoderEmbedding out: the two tables are then two parameters.' },
  );
}
