import { ConfigError } from '@graft/core';
import { z } from 'zod';
import { parseCheckpointConfig, readModelConfig, SIDE_DEFAULTS, checkPair } from './config';
import type {
  AnyGemmaConfig,
  DecoderOnlyConfig,
  EncoderDecoderConfig,
  GemmaConfig,
  LayerType,
  SideConfig,
} from './config-types';
import { ratesField } from './dropout-rates';
import { LIMITS } from './config-fields';
import { defaultLayerTypes, GEMMA2_KEYS } from './published-defaults';
import { NAMED_PAIRS, parsePreset, SIZE_NAMES, type Size } from './sizes';

const rate = (): z.ZodNumber => z.number().min(0).lt(1);
const count = (most: number): z.ZodNumber => z.int().min(1).max(most);

/** Sizes and constants of one side. Missing ones come from the checkpoint, the preset or the published models. */
const sideOptions = z.strictObject({
  layers: count(LIMITS.layers).optional().describe('Number of blocks.'),
  hidden: count(LIMITS.width).optional().describe('Width of the residual stream.'),
  feedForward: count(LIMITS.width).optional().describe('Inner width of the feed-forward.'),
  heads: count(LIMITS.heads).optional().describe('Number of query heads.'),
  keyValueHeads: count(LIMITS.heads)
    .optional()
    .describe('Number of key/value heads; divides `heads`. Default: as `heads`.'),
  headDim: count(LIMITS.headDim).multipleOf(2).optional().describe('Width of a head. Default: hidden / heads.'),
  slidingWindow: count(LIMITS.positions).optional().describe('Reach of sliding layers, in tokens. Default: 4096.'),
  layerTypes: z
    .array(z.enum(['sliding_attention', 'full_attention']))
    .optional()
    .describe('The kind of each layer. Default: alternating, sliding first.'),
  ropeTheta: z.number().positive().optional().describe('Base of the rotary positions. Default: 10000.'),
  attentionSoftCap: z
    .number()
    .positive()
    .nullable()
    .optional()
    .describe('Soft cap of attention scores; null: none. Default: 50.'),
  finalLogitSoftCap: z
    .number()
    .positive()
    .nullable()
    .optional()
    .describe('Soft cap of the logits; null: none. Default: 30.'),
  queryPreAttentionScalar: z
    .number()
    .positive()
    .optional()
    .describe('Scores are scaled by its power -1/2. Default: headDim.'),
  rmsNormEpsilon: z.number().positive().optional().describe('Added to the mean square in every norm. Default: 1e-6.'),
  maxPositions: count(LIMITS.positions)
    .optional()
    .describe('Written to config.json; nothing is cut off. Default: 8192.'),
});

type SideOptions = z.output<typeof sideOptions>;

/** The options of the model family `gemma`. */
export const modelOptions = z.strictObject({
  kind: z
    .enum(['encoder-decoder', 'decoder-only', 'encoder-only'])
    .optional()
    .describe("Kind of the model. Default: the checkpoint's, otherwise `encoder-decoder`."),
  preset: z
    .string()
    .refine((name) => parsePreset(name) !== undefined, {
      error: `should be a size (${SIZE_NAMES.join(', ')}) or a pair of sizes, encoder first (${NAMED_PAIRS[1]})`,
    })
    .optional()
    .describe(
      'Sizes by name: 2b-2b, 9b-2b, 9b-9b, s-s, b-b, l-l, ml-ml, xl-xl, any other pair, or one size for both sides.',
    ),
  encoder: sideOptions.optional().describe("Sizes of the encoder. Default: the decoder's."),
  decoder: sideOptions.optional().describe("Sizes of the decoder. Default: the encoder's."),
  vocabularySize: count(LIMITS.vocabularySize).optional().describe('Tokens of the vocabulary. Default: 256000.'),
  padTokenId: z.int().min(0).optional().describe('Id of the padding token. Default: 0.'),
  bosTokenId: z.int().min(0).optional().describe('Id of the token that starts a decoder input. Default: 2.'),
  eosTokenId: z
    .union([z.int().min(0), z.array(z.int().min(0)).min(1)])
    .optional()
    .describe('Id of the end token, or of several. Default: 1.'),
  encoderWindow: z
    .enum(['strict', 'inclusive'])
    .optional()
    .describe(
      'Sliding encoder layers see |i - j| < window (`strict`) or <= window (`inclusive`). Default: what the checkpoint says, otherwise `strict`.',
    ),
  encoderAttention: z
    .enum(['bidirectional', 'causal'])
    .optional()
    .describe(
      "`causal`: the encoder's self-attention looks back alone, for ablations. Default: what the checkpoint says, otherwise `bidirectional`.",
    ),
  tieEncoderEmbedding: z
    .boolean()
    .optional()
    .describe('One embedding table for both sides and the output. Default: false.'),
  tieOutput: z
    .boolean()
    .optional()
    .describe("The output projection is the decoder's embedding. Default: what the checkpoint says, otherwise true."),
  rematerialize: z
    .enum(['none', 'block'])
    .optional()
    .describe(
      '`block`: each block is computed again for the gradient instead of being kept, which needs less memory and more time. Default: `none`.',
    ),
  attention: z
    .enum(['auto', 'whole', 'blocked', 'fused'])
    .optional()
    .describe(
      'How whole sequences attend. `whole` keeps all scores in memory, `blocked` those of 512 queries, computed again for the gradient, and `fused` is a kernel that writes none (on NVIDIA GPUs, in bfloat16). `auto`: `fused` where there is one, otherwise `blocked` from 16.8 million scores of a head on (4,096 tokens). Default: `auto`.',
    ),
  dropout: rate()
    .optional()
    .describe(
      "Dropout rate in training of embeddings, sub-layers, feed-forward and final states. Default: the checkpoint's, otherwise 0.",
    ),
  attentionDropout: rate()
    .optional()
    .describe("Dropout rate in training of the probabilities of attention. Default: the checkpoint's, otherwise 0."),
  classifierDropout: rate()
    .optional()
    .describe("Dropout rate in training of what a classifier's head reads. Default: the checkpoint's, otherwise 0."),
});

/** What a config or code may write. */
export type ModelOptions = z.input<typeof modelOptions>;
/** The same with every default filled in. */
export type ResolvedModelOptions = z.output<typeof modelOptions>;

function optionError(message: string, hint?: string): ConfigError {
  return new ConfigError(message, { code: 'gemma.model-options', hint });
}

/** Options that both sides share. */
function sharedFields(
  options: ResolvedModelOptions,
  base: SideConfig | undefined,
): Pick<SideConfig, 'vocabularySize' | 'padTokenId' | 'bosTokenId' | 'eosTokenIds'> {
  const { eosTokenId } = options;
  return {
    vocabularySize: options.vocabularySize ?? base?.vocabularySize ?? SIDE_DEFAULTS.vocabularySize,
    // A checkpoint may have none: null.
    padTokenId: options.padTokenId ?? (base ? base.padTokenId : SIDE_DEFAULTS.padTokenId),
    bosTokenId: options.bosTokenId ?? base?.bosTokenId ?? SIDE_DEFAULTS.bosTokenId,
    eosTokenIds: eosTokenId === undefined ? (base?.eosTokenIds ?? SIDE_DEFAULTS.eosTokenIds) : [eosTokenId].flat(),
  };
}

/** A config written in JavaScript may hold a key without a value. */
function withoutUndefined(options: SideOptions): SideOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** One side, from its options first, then the checkpoint's config, then the preset. */
function resolveSide(
  name: 'encoder' | 'decoder',
  given: SideOptions,
  options: ResolvedModelOptions,
  checkpoint: SideConfig | undefined,
  preset: Size | undefined,
): SideConfig {
  const size = { ...checkpoint, ...preset, ...withoutUndefined(given) };
  const needed = (field: 'layers' | 'hidden' | 'feedForward' | 'heads'): number => {
    const value = size[field];
    if (value === undefined) {
      throw optionError(
        `The model's size is not known: model.${name}.${field} is missing.`,
        'Name a preset (model.preset: s), give the sizes of one side, or take an initializer that loads a checkpoint.',
      );
    }
    return value;
  };
  const [layers, hidden, feedForward, heads] = [
    needed('layers'),
    needed('hidden'),
    needed('feedForward'),
    needed('heads'),
  ];
  const keyValueHeads = size.keyValueHeads ?? heads;
  if (heads % keyValueHeads !== 0) {
    throw optionError(`model.${name}: keyValueHeads ${keyValueHeads} does not divide heads ${heads}.`);
  }
  const headDim = size.headDim ?? hidden / heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw optionError(
      `model.${name}: headDim is not given, and hidden / heads = ${hidden} / ${heads} is not an even integer.`,
    );
  }
  // A layer list of another length belongs to the checkpoint's depth, not to the requested one.
  const inherited: readonly LayerType[] | undefined =
    checkpoint?.layerTypes.length === layers ? checkpoint.layerTypes : undefined;
  const layerTypes = given.layerTypes ?? inherited ?? defaultLayerTypes(layers);
  if (layerTypes.length !== layers)
    throw optionError(`model.${name}: layerTypes lists ${layerTypes.length} layers, but layers is ${layers}.`);
  const shared = sharedFields(options, checkpoint);
  for (const [option, id] of [['padTokenId', shared.padTokenId] as const, ['bosTokenId', shared.bosTokenId] as const]) {
    if (id !== null && id >= shared.vocabularySize)
      throw optionError(`model.${option} is ${id}, but the vocabulary has ${shared.vocabularySize} tokens.`);
  }
  const pick = <K extends keyof SideOptions & keyof SideConfig>(field: K, fallback: SideConfig[K]): SideConfig[K] => {
    const value = given[field] as SideConfig[K] | undefined;
    if (value !== undefined) return value;
    return checkpoint ? checkpoint[field] : fallback;
  };
  return {
    layers,
    hidden,
    feedForward,
    heads,
    keyValueHeads,
    headDim,
    ...shared,
    layerTypes,
    rmsNormEpsilon: pick('rmsNormEpsilon', SIDE_DEFAULTS.rmsNormEpsilon),
    ropeTheta: pick('ropeTheta', SIDE_DEFAULTS.ropeTheta),
    maxPositions: pick('maxPositions', SIDE_DEFAULTS.maxPositions),
    slidingWindow: pick('slidingWindow', SIDE_DEFAULTS.slidingWindow),
    attentionSoftCap: pick('attentionSoftCap', SIDE_DEFAULTS.attentionSoftCap),
    finalLogitSoftCap: pick('finalLogitSoftCap', SIDE_DEFAULTS.finalLogitSoftCap),
    queryPreAttentionScalar: pick('queryPreAttentionScalar', headDim),
  };
}

/**
 * The model of a config's `model:` section, on top of the checkpoint's config.json if the initializer provides one;
 * options override it field by field. Throws ConfigError for sizes that are missing or impossible.
 */
export function resolveModelConfig(
  options: ResolvedModelOptions,
  checkpointConfig?: Record<string, unknown>,
): GemmaConfig {
  const checkpoint = checkpointConfig && parseCheckpointConfig(checkpointConfig, options);
  const kind = options.kind ?? checkpoint?.kind ?? 'encoder-decoder';
  if (kind === 'encoder-only') throw optionError('model.kind is encoder-only: such a model makes no words.');
  if (checkpoint && checkpoint.kind !== kind) {
    throw optionError(`model.kind is ${kind}, but the checkpoint holds a model that is ${checkpoint.kind}.`);
  }
  const tied = options.tieOutput ?? checkpoint?.untiedOutput !== true;
  const output = {
    ...fieldsOfEveryKind(options, checkpoint),
    ...(tied ? {} : { untiedOutput: true }),
  };
  const preset = options.preset === undefined ? undefined : parsePreset(options.preset);
  if (kind === 'decoder-only') {
    refuseEncoderDecoderOptions(options);
    if (preset?.pair)
      throw optionError(`model.preset ${options.preset} names two sides, but the model is decoder-only.`);
    const decoder = resolveSide('decoder', options.decoder ?? {}, options, checkpoint?.decoder, preset?.decoder);
    return { kind, decoder, ...output } satisfies DecoderOnlyConfig;
  }
  const both = checkpoint as EncoderDecoderConfig | undefined;
  const lone = checkpoint === undefined && preset === undefined;
  const encoderOptions = options.encoder ?? (lone ? options.decoder : undefined) ?? {};
  const decoderOptions = options.decoder ?? (lone ? options.encoder : undefined) ?? {};
  const encoder = resolveSide('encoder', encoderOptions, options, both?.encoder, preset?.encoder);
  const decoder = resolveSide('decoder', decoderOptions, options, both?.decoder, preset?.decoder);
  const tieEncoderEmbedding = options.tieEncoderEmbedding ?? both?.tieEncoderEmbedding ?? false;
  checkPair(encoder, decoder, tieEncoderEmbedding, 'The model');
  const encoderWindow = options.encoderWindow ?? both?.encoderWindow ?? 'strict';
  const causal = (options.encoderAttention ?? both?.encoderAttention) === 'causal';
  return {
    kind,
    encoder,
    decoder,
    encoderWindow,
    ...(causal ? { encoderAttention: 'causal' } : {}),
    tieEncoderEmbedding,
    ...output,
  };
}

/** Like `resolveModelConfig`, and also for encoders alone. */
export function resolveAnyConfig(
  options: ResolvedModelOptions,
  checkpointConfig?: Record<string, unknown>,
): AnyGemmaConfig {
  const checkpoint = checkpointConfig && readModelConfig(checkpointConfig, options);
  const kind = options.kind ?? checkpoint?.kind;
  if (kind !== 'encoder-only') return resolveModelConfig(options, checkpointConfig);
  if (checkpoint && checkpoint.kind !== kind) {
    throw optionError(
      `model.kind is ${kind}, but the checkpoint holds a model that is ${checkpoint.kind}.`,
      checkpoint.kind === 'encoder-decoder' ? '`graft export --encoder` writes its encoder alone.' : undefined,
    );
  }
  for (const field of ['decoder', 'tieEncoderEmbedding', 'tieOutput'] as const) {
    if (options[field] !== undefined && options[field] !== false)
      throw optionError(`model.${field} is given, but the model is encoder-only and has no decoder.`);
  }
  const preset = options.preset === undefined ? undefined : parsePreset(options.preset);
  if (preset?.pair) throw optionError(`model.preset ${options.preset} names two sides, but the model is encoder-only.`);
  const causal = (options.encoderAttention ?? checkpoint?.encoderAttention) === 'causal';
  return {
    kind,
    encoder: resolveSide('encoder', options.encoder ?? {}, options, checkpoint?.encoder, preset?.encoder),
    encoderWindow: options.encoderWindow ?? checkpoint?.encoderWindow ?? 'strict',
    ...(causal ? { encoderAttention: 'causal' } : {}),
    ...fieldsOfEveryKind(options, checkpoint),
  };
}

/** What models of every kind have. */
function fieldsOfEveryKind(
  options: ResolvedModelOptions,
  checkpoint: AnyGemmaConfig | undefined,
): Pick<AnyGemmaConfig, 'initializerRange' | 'rematerialize' | 'attention' | 'specialTokens' | 'dropout'> {
  return {
    initializerRange: checkpoint?.initializerRange ?? GEMMA2_KEYS.initializer_range.default,
    ...(options.rematerialize === 'block' ? { rematerialize: true } : {}),
    ...(options.attention ? { attention: options.attention } : {}),
    ...(checkpoint?.specialTokens ? { specialTokens: checkpoint.specialTokens } : {}),
    ...resolveRates(options, checkpoint),
  };
}

function resolveRates(
  options: ResolvedModelOptions,
  checkpoint: Pick<AnyGemmaConfig, 'dropout'> | undefined,
): Pick<AnyGemmaConfig, 'dropout'> {
  return ratesField({
    dropout: options.dropout ?? checkpoint?.dropout?.dropout ?? 0,
    attentionDropout: options.attentionDropout ?? checkpoint?.dropout?.attentionDropout ?? 0,
    classifierDropout: options.classifierDropout ?? checkpoint?.dropout?.classifierDropout ?? 0,
  });
}

function refuseEncoderDecoderOptions(options: ResolvedModelOptions): void {
  for (const field of ['encoder', 'encoderWindow', 'encoderAttention', 'tieEncoderEmbedding'] as const) {
    if (options[field] !== undefined && options[field] !== false) {
      throw optionError(`model.${field} is given, but the model is decoder-only and has no encoder.`);
    }
  }
  for (const field of ['dropout', 'classifierDropout'] as const) {
    if ((options[field] ?? 0) > 0) {
      throw optionError(
        `model.${field} is ${options[field]}, but a decoder-only Gemma drops probabilities of attention alone.`,
        'Set model.attentionDropout, or leave it out.',
      );
    }
  }
}
