import {
  CheckpointError,
  readSpecialTokens,
  SPECIAL_TOKENS_KEY,
  storedSpecialTokens,
  type SpecialTokenPolicy,
} from '@graft/core';
import { VOCABULARY_SIZE, type Size } from './sizes';

export type EncoderWindow = 'strict' | 'inclusive';
/** Which way the encoder's self-attention looks: both ways as published, or back alone (the paper's ablation). */
export type EncoderAttention = 'bidirectional' | 'causal';
export type LayerType = 'sliding_attention' | 'full_attention';

/** Everything that the arithmetic of one side depends on. */
export interface SideConfig extends Size {
  readonly vocabularySize: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  readonly maxPositions: number;
  /** Keys that a sliding layer of a decoder sees: itself and the `slidingWindow - 1` before it. Encoders: see `encoderWindow`. */
  readonly slidingWindow: number;
  readonly layerTypes: readonly LayerType[];
  /** Scores become cap * tanh(score / cap); null: they stay as they are. */
  readonly attentionSoftCap: number | null;
  readonly finalLogitSoftCap: number | null;
  /** Scores are scaled by this to the power -1/2 (quirk 7: not by the head dimension). */
  readonly queryPreAttentionScalar: number;
  readonly padTokenId: number;
  readonly bosTokenId: number;
  readonly eosTokenIds: readonly number[];
}

export interface EncoderDecoderConfig {
  readonly kind: 'encoder-decoder';
  readonly encoder: SideConfig;
  readonly decoder: SideConfig;
  readonly encoderWindow: EncoderWindow;
  /** Default: bidirectional. */
  readonly encoderAttention?: EncoderAttention;
  /** One embedding table for both sides and the output; the published models have two tables. */
  readonly tieEncoderEmbedding: boolean;
  /** The output projection is a table of its own, not the decoder's embedding. The published models tie the two. */
  readonly untiedOutput?: boolean;
  /** Blocks are computed again for the gradient instead of being kept. No matter of a checkpoint. */
  readonly rematerialize?: boolean;
  /** Which special tokens stand around text. Default: `auto` throughout. */
  readonly specialTokens?: SpecialTokenPolicy;
}

export interface DecoderOnlyConfig {
  readonly kind: 'decoder-only';
  readonly decoder: SideConfig;
  /** As above. */
  readonly untiedOutput?: boolean;
  readonly rematerialize?: boolean;
  readonly specialTokens?: SpecialTokenPolicy;
}

export type GemmaConfig = EncoderDecoderConfig | DecoderOnlyConfig;

/** Choices that a checkpoint's config.json does not make, or that override it. */
export interface GemmaOptions {
  /** Default: what the checkpoint says of itself, else `strict` (quirk 1). */
  encoderWindow?: EncoderWindow;
  /** Default: what the checkpoint says of itself, else `bidirectional`. */
  encoderAttention?: EncoderAttention;
  /** Default: what the checkpoint says of itself, else false. */
  tieEncoderEmbedding?: boolean;
}

/** What the published implementation means where a config.json is silent. */
export const SIDE_DEFAULTS = {
  vocabularySize: VOCABULARY_SIZE,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 10_000,
  maxPositions: 8192,
  slidingWindow: 4096,
  attentionSoftCap: 50,
  finalLogitSoftCap: 30,
  padTokenId: 0,
  bosTokenId: 2,
  eosTokenIds: [1],
} as const;

/** Layers alternate, sliding first (quirk 2). */
export function defaultLayerTypes(layers: number): LayerType[] {
  return Array.from({ length: layers }, (_, layer) => (layer % 2 === 0 ? 'sliding_attention' : 'full_attention'));
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fail(where: string, field: string, problem: string): CheckpointError {
  return new CheckpointError(`${where}: "${field}" ${problem}.`, { code: 'gemma.config' });
}

const shown = (value: unknown): string => (value === undefined ? 'missing' : JSON.stringify(value));

/** Typed fields of one section of a config.json; errors name the section and the field. */
class Fields {
  constructor(
    private readonly json: Json,
    private readonly where: string,
  ) {}

  fail(field: string, problem: string): CheckpointError {
    return fail(this.where, field, problem);
  }

  integer(field: string, fallback: number | undefined, least: number): number {
    const value = this.json[field] ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) < least) {
      throw this.fail(field, `should be an integer of at least ${least}, but is ${shown(value)}`);
    }
    return value as number;
  }

  size(field: string, fallback?: number): number {
    return this.integer(field, fallback, 1);
  }

  positive(field: string, fallback: number): number {
    const value = this.json[field] ?? fallback;
    if (typeof value !== 'number' || !(value > 0))
      throw this.fail(field, `should be a positive number, but is ${shown(value)}`);
    return value;
  }

  /** null switches a soft cap off. */
  cap(field: string, fallback: number): number | null {
    return this.json[field] === null ? null : this.positive(field, fallback);
  }

  tokens(field: string, fallback: readonly number[]): readonly number[] {
    const value = this.json[field] ?? fallback;
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.length === 0 || !list.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) {
      throw this.fail(field, `should be a token id or a list of them, but is ${shown(value)}`);
    }
    return list as readonly number[];
  }

  /** Version 5 of the published implementation nests theta in `rope_parameters`; version 4 has `rope_theta` (quirk 11). */
  ropeTheta(): number {
    const nested = this.json.rope_parameters ?? this.json.rope_scaling ?? {};
    if (!isObject(nested)) throw this.fail('rope_parameters', `should be an object, but is ${shown(nested)}`);
    const type = nested.rope_type ?? nested.type ?? 'default';
    if (type !== 'default')
      throw this.fail('rope_parameters', `asks for rotary positions of type ${shown(type)}; Graft knows "default"`);
    const theta = nested.rope_theta ?? this.json.rope_theta ?? SIDE_DEFAULTS.ropeTheta;
    if (typeof theta !== 'number' || !(theta > 0))
      throw this.fail('rope_theta', `should be a positive number, but is ${shown(theta)}`);
    return theta;
  }

  layerTypes(layers: number): readonly LayerType[] {
    const value = this.json.layer_types ?? defaultLayerTypes(layers);
    if (!Array.isArray(value) || value.length !== layers) {
      throw this.fail(
        'layer_types',
        `should list ${layers} layers, one for each of "num_hidden_layers", but is ${shown(value)}`,
      );
    }
    const strange: unknown = value.find((type) => type !== 'sliding_attention' && type !== 'full_attention');
    if (strange !== undefined)
      throw this.fail('layer_types', `knows "sliding_attention" and "full_attention", not ${shown(strange)}`);
    return value as LayerType[];
  }

  /** Refuses a setting under which the published model computes something that this one does not. */
  only(field: string, supported: unknown): void {
    const value = this.json[field];
    if (value !== undefined && value !== null && value !== supported) {
      throw this.fail(field, `is ${shown(value)}; Graft's models have ${shown(supported)} alone`);
    }
  }
}

function parseSide(json: Json, where: string): SideConfig {
  const fields = new Fields(json, where);
  fields.only('attention_bias', false);
  fields.only('use_bidirectional_attention', false);
  fields.only('hidden_activation', 'gelu_pytorch_tanh');
  const layers = fields.size('num_hidden_layers');
  const heads = fields.size('num_attention_heads');
  const hidden = fields.size('hidden_size');
  const headDim = fields.size('head_dim', Math.floor(hidden / heads));
  const keyValueHeads = fields.size('num_key_value_heads', heads);
  if (heads % keyValueHeads !== 0) {
    throw fields.fail(
      'num_key_value_heads',
      `is ${keyValueHeads}, which does not divide "num_attention_heads" ${heads}`,
    );
  }
  if (headDim % 2 !== 0) throw fields.fail('head_dim', `is ${headDim}; rotary positions need an even number`);
  const vocabularySize = fields.size('vocab_size', SIDE_DEFAULTS.vocabularySize);
  const padTokenId = fields.integer('pad_token_id', SIDE_DEFAULTS.padTokenId, 0);
  const bosTokenId = fields.integer('bos_token_id', SIDE_DEFAULTS.bosTokenId, 0);
  for (const [field, id] of [['pad_token_id', padTokenId] as const, ['bos_token_id', bosTokenId] as const]) {
    if (id >= vocabularySize) throw fields.fail(field, `is ${id}, but "vocab_size" is ${vocabularySize}`);
  }
  return {
    layers,
    hidden,
    feedForward: fields.size('intermediate_size'),
    heads,
    headDim,
    keyValueHeads,
    vocabularySize,
    rmsNormEpsilon: fields.positive('rms_norm_eps', SIDE_DEFAULTS.rmsNormEpsilon),
    ropeTheta: fields.ropeTheta(),
    maxPositions: fields.size('max_position_embeddings', SIDE_DEFAULTS.maxPositions),
    slidingWindow: fields.size('sliding_window', SIDE_DEFAULTS.slidingWindow),
    layerTypes: fields.layerTypes(layers),
    attentionSoftCap: fields.cap('attn_logit_softcapping', SIDE_DEFAULTS.attentionSoftCap),
    finalLogitSoftCap: fields.cap('final_logit_softcapping', SIDE_DEFAULTS.finalLogitSoftCap),
    queryPreAttentionScalar: fields.positive('query_pre_attn_scalar', headDim),
    padTokenId,
    bosTokenId,
    eosTokenIds: fields.tokens('eos_token_id', SIDE_DEFAULTS.eosTokenIds),
  };
}

/** Refuses sides that no model can be made of. `where` begins the sentence. */
export function checkPair(encoder: SideConfig, decoder: SideConfig, tieEncoderEmbedding: boolean, where: string): void {
  if (encoder.vocabularySize !== decoder.vocabularySize) {
    throw new CheckpointError(
      `${where}: the encoder's vocabulary has ${encoder.vocabularySize} tokens, the decoder's ${decoder.vocabularySize}; they should be one vocabulary.`,
      {
        code: 'gemma.vocabulary',
        exitCode: 2,
        hint: 'Take two checkpoints that were made with one tokenizer; vocabularies cannot be joined.',
      },
    );
  }
  if (tieEncoderEmbedding && encoder.hidden !== decoder.hidden) {
    throw new CheckpointError(
      `${where}: the two sides cannot share one embedding table: the encoder's hidden size is ${encoder.hidden}, the decoder's ${decoder.hidden}.`,
      { code: 'gemma.tied-widths', hint: 'Leave tieEncoderEmbedding out, or make both sides equally wide.' },
    );
  }
}

/**
 * Reads a Hugging Face config.json of Gemma 2 or T5Gemma in the dialect of version 4 or 5 (quirk 11).
 * Throws CheckpointError naming `where`, the field, and what was expected.
 */
export function parseCheckpointConfig(json: Json, options: GemmaOptions = {}, where = 'config.json'): GemmaConfig {
  // What a side of an encoder-decoder says of ties has no effect: there the whole model's word counts.
  const untied = json.tie_word_embeddings === false ? { untiedOutput: true } : {};
  const specialTokens = readSpecialTokens(json, where);
  const whole = { ...untied, ...(specialTokens ? { specialTokens } : {}) };
  if (json.model_type === 'gemma2') return { kind: 'decoder-only', decoder: parseSide(json, where), ...whole };
  if (json.model_type !== 't5gemma') {
    throw fail(where, 'model_type', `should be "gemma2" or "t5gemma", but is ${shown(json.model_type)}`);
  }
  const section = (field: 'encoder' | 'decoder'): SideConfig => {
    const value = json[field];
    if (!isObject(value))
      throw fail(where, field, `should be an object with that side's configuration, but is ${shown(value)}`);
    return parseSide(value, `${where}, ${field}`);
  };
  const [encoder, decoder] = [section('encoder'), section('decoder')];
  const window = json.encoder_window ?? 'strict';
  if (window !== 'strict' && window !== 'inclusive') {
    throw fail(where, 'encoder_window', `should be "strict" or "inclusive", but is ${shown(window)}`);
  }
  const attention = json.encoder_attention ?? 'bidirectional';
  if (attention !== 'bidirectional' && attention !== 'causal') {
    throw fail(where, 'encoder_attention', `should be "bidirectional" or "causal", but is ${shown(attention)}`);
  }
  const tieEncoderEmbedding = options.tieEncoderEmbedding ?? json.tie_encoder_embedding === true;
  checkPair(encoder, decoder, tieEncoderEmbedding, where);
  return {
    kind: 'encoder-decoder',
    encoder,
    decoder,
    encoderWindow: options.encoderWindow ?? window,
    ...((options.encoderAttention ?? attention) === 'causal' ? { encoderAttention: 'causal' } : {}),
    tieEncoderEmbedding,
    ...whole,
  };
}

/** Ours; other readers ignore it. */
function policyField({ kind, decoder, specialTokens: policy }: GemmaConfig): Record<string, unknown> {
  if (!policy) return {};
  const { padTokenId: pad, bosTokenId: start, eosTokenIds: eos } = decoder;
  return { [SPECIAL_TOKENS_KEY]: storedSpecialTokens({ kind, specialTokens: { pad, start, eos, policy } }) };
}

const oneOrList = (ids: readonly number[]): number | readonly number[] => (ids.length === 1 ? ids[0] : ids);

function sideFields(side: SideConfig): Record<string, unknown> {
  return {
    attention_bias: false,
    attention_dropout: 0,
    attn_logit_softcapping: side.attentionSoftCap,
    bos_token_id: side.bosTokenId,
    eos_token_id: oneOrList(side.eosTokenIds),
    final_logit_softcapping: side.finalLogitSoftCap,
    head_dim: side.headDim,
    hidden_activation: 'gelu_pytorch_tanh',
    hidden_size: side.hidden,
    initializer_range: 0.02,
    intermediate_size: side.feedForward,
    layer_types: side.layerTypes,
    max_position_embeddings: side.maxPositions,
    num_attention_heads: side.heads,
    num_hidden_layers: side.layers,
    num_key_value_heads: side.keyValueHeads,
    pad_token_id: side.padTokenId,
    query_pre_attn_scalar: side.queryPreAttentionScalar,
    rms_norm_eps: side.rmsNormEpsilon,
    // Both spellings: version 4 silently takes 10000 when it finds the new one alone (quirk 11).
    rope_parameters: { rope_theta: side.ropeTheta, rope_type: 'default' },
    rope_theta: side.ropeTheta,
    sliding_window: side.slidingWindow,
    tie_word_embeddings: true,
    use_cache: true,
    vocab_size: side.vocabularySize,
  };
}

/** The config.json that versions 4 and 5 of the published implementation read. `dtype`: of the stored tensors, e.g. `float32`. */
export function toCheckpointConfig(config: GemmaConfig, dtype = 'float32'): Record<string, unknown> {
  if (config.kind === 'decoder-only') {
    const ties = { tie_word_embeddings: config.untiedOutput !== true };
    return {
      architectures: ['Gemma2ForCausalLM'],
      model_type: 'gemma2',
      dtype,
      ...sideFields(config.decoder),
      ...ties,
      ...policyField(config),
    };
  }
  const { encoder, decoder } = config;
  const side = { model_type: 't5_gemma_module', dropout_rate: 0 };
  return {
    architectures: ['T5GemmaForConditionalGeneration'],
    model_type: 't5gemma',
    attention_dropout: 0,
    bos_token_id: decoder.bosTokenId,
    classifier_dropout_rate: 0,
    decoder: { ...sideFields(decoder), ...side, is_decoder: true, cross_attention_hidden_size: encoder.hidden },
    dropout_rate: 0,
    dtype,
    encoder: { ...sideFields(encoder), ...side, is_decoder: false },
    eos_token_id: oneOrList(decoder.eosTokenIds),
    initializer_range: 0.02,
    is_encoder_decoder: true,
    pad_token_id: decoder.padTokenId,
    tie_word_embeddings: config.untiedOutput !== true,
    vocab_size: decoder.vocabularySize,
    // Ours; other readers ignore them.
    encoder_window: config.encoderWindow,
    ...(config.encoderAttention === 'causal' ? { encoder_attention: 'causal' } : {}),
    ...(config.tieEncoderEmbedding ? { tie_encoder_embedding: true } : {}),
    ...policyField(config),
  };
}
