import { GraftError } from '@graft/core';
import { VOCABULARY_SIZE, type Size } from './sizes';

export type EncoderWindow = 'strict' | 'inclusive';
export type LayerType = 'sliding_attention' | 'full_attention';

/** Everything that the arithmetic of one side depends on. */
export interface SideConfig extends Size {
  readonly vocabularySize: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  readonly maxPositions: number;
  /** Keys that a sliding layer sees: itself and the `slidingWindow - 1` before it (decoder); see `encoderWindow` for encoders. */
  readonly slidingWindow: number;
  readonly layerTypes: readonly LayerType[];
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
  /** One embedding table for both sides and the output; the published models have two tables. */
  readonly tieEncoderEmbedding: boolean;
}

export interface DecoderOnlyConfig {
  readonly kind: 'decoder-only';
  readonly decoder: SideConfig;
}

export type GemmaConfig = EncoderDecoderConfig | DecoderOnlyConfig;

type Json = Readonly<Record<string, unknown>>;

function fail(where: string, field: string, problem: string): GraftError {
  return new GraftError(`${where}: "${field}" ${problem}.`, { code: 'gemma.config' });
}

/** Reads typed fields of a config.json section, naming the section in errors. */
class Fields {
  constructor(
    private readonly json: Json,
    private readonly where: string,
  ) {}

  private value(field: string): unknown {
    return this.json[field];
  }

  positiveInteger(field: string, fallback?: number): number {
    const value = this.value(field) ?? fallback;
    if (!Number.isInteger(value) || (value as number) < 1) {
      throw fail(this.where, field, `should be a positive integer, but is ${JSON.stringify(value) ?? 'missing'}`);
    }
    return value as number;
  }

  number(field: string, fallback: number): number {
    const value = this.value(field) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw fail(this.where, field, `should be a number, but is ${JSON.stringify(value)}`);
    return value;
  }

  cap(field: string, fallback: number): number | null {
    const value = this.value(field);
    if (value === null) return null;
    return this.number(field, fallback);
  }

  tokens(field: string, fallback: number): readonly number[] {
    const value = this.value(field) ?? fallback;
    const list = Array.isArray(value) ? (value as unknown[]) : [value];
    if (!list.every((id) => Number.isInteger(id))) throw fail(this.where, field, `should be a token id or a list of them, but is ${JSON.stringify(value)}`);
    return list as number[];
  }

  /** Version 5 of the published implementation nests theta in `rope_parameters`; version 4 has `rope_theta` (quirk 11). */
  ropeTheta(): number {
    const nested = this.value('rope_parameters') as { rope_theta?: unknown } | undefined | null;
    const theta = nested?.rope_theta ?? this.value('rope_theta') ?? 10000;
    if (typeof theta !== 'number' || !(theta > 0)) throw fail(this.where, 'rope_theta', `should be a positive number, but is ${JSON.stringify(theta)}`);
    return theta;
  }

  layerTypes(layers: number): readonly LayerType[] {
    const value = this.value('layer_types');
    if (value === undefined || value === null) return defaultLayerTypes(layers);
    if (!Array.isArray(value) || value.length !== layers) throw fail(this.where, 'layer_types', `should list ${layers} layers`);
    for (const type of value as unknown[]) {
      if (type !== 'sliding_attention' && type !== 'full_attention') {
        throw fail(this.where, 'layer_types', `knows "sliding_attention" and "full_attention", not ${JSON.stringify(type)}`);
      }
    }
    return value as LayerType[];
  }
}

/** Layers alternate, sliding first (quirk 2). */
export function defaultLayerTypes(layers: number): LayerType[] {
  return Array.from({ length: layers }, (_, layer) => (layer % 2 === 0 ? 'sliding_attention' : 'full_attention'));
}

function parseSide(json: Json, where: string): SideConfig {
  const fields = new Fields(json, where);
  const layers = fields.positiveInteger('num_hidden_layers');
  const heads = fields.positiveInteger('num_attention_heads');
  const hidden = fields.positiveInteger('hidden_size');
  const headDim = fields.positiveInteger('head_dim', Math.floor(hidden / heads));
  const keyValueHeads = fields.positiveInteger('num_key_value_heads', heads);
  if (heads % keyValueHeads !== 0) {
    throw fail(where, 'num_key_value_heads', `is ${keyValueHeads}, which does not divide num_attention_heads ${heads}`);
  }
  if (headDim % 2 !== 0) throw fail(where, 'head_dim', `is ${headDim}; rotary positions need an even number`);
  return {
    layers,
    hidden,
    feedForward: fields.positiveInteger('intermediate_size'),
    heads,
    headDim,
    keyValueHeads,
    vocabularySize: fields.positiveInteger('vocab_size', VOCABULARY_SIZE),
    rmsNormEpsilon: fields.number('rms_norm_eps', 1e-6),
    ropeTheta: fields.ropeTheta(),
    maxPositions: fields.positiveInteger('max_position_embeddings', 8192),
    slidingWindow: fields.positiveInteger('sliding_window', 4096),
    layerTypes: fields.layerTypes(layers),
    attentionSoftCap: fields.cap('attn_logit_softcapping', 50),
    finalLogitSoftCap: fields.cap('final_logit_softcapping', 30),
    queryPreAttentionScalar: fields.number('query_pre_attn_scalar', headDim),
    padTokenId: fields.tokens('pad_token_id', 0)[0],
    bosTokenId: fields.tokens('bos_token_id', 2)[0],
    eosTokenIds: fields.tokens('eos_token_id', 1),
  };
}

export interface GemmaOptions {
  encoderWindow?: EncoderWindow;
  tieEncoderEmbedding?: boolean;
}

/** Reads a Hugging Face config.json of Gemma 2 or T5Gemma, either dialect. Throws GraftError naming the field. */
export function parseCheckpointConfig(json: Json, options: GemmaOptions = {}, where = 'config.json'): GemmaConfig {
  if (json.model_type === 'gemma2') return { kind: 'decoder-only', decoder: parseSide(json, where) };
  if (json.model_type === 't5gemma') {
    const sides = json as { encoder?: Json; decoder?: Json };
    if (!sides.encoder || !sides.decoder) throw fail(where, 'encoder', 'and "decoder" should both be there in a t5gemma config');
    return {
      kind: 'encoder-decoder',
      encoder: parseSide(sides.encoder, `${where}, encoder`),
      decoder: parseSide(sides.decoder, `${where}, decoder`),
      encoderWindow: options.encoderWindow ?? (json.encoder_window as EncoderWindow | undefined) ?? 'strict',
      tieEncoderEmbedding: options.tieEncoderEmbedding ?? json.tie_encoder_embedding === true,
    };
  }
  throw fail(where, 'model_type', `should be "gemma2" or "t5gemma", but is ${JSON.stringify(json.model_type) ?? 'missing'}`);
}

function sideFields(side: SideConfig): Record<string, unknown> {
  return {
    attention_bias: false,
    attention_dropout: 0,
    attn_logit_softcapping: side.attentionSoftCap,
    bos_token_id: side.bosTokenId,
    eos_token_id: side.eosTokenIds.length === 1 ? side.eosTokenIds[0] : side.eosTokenIds,
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

/** The config.json that the published implementation reads. `dtype`: of the stored tensors, e.g. `float32`. */
export function toCheckpointConfig(config: GemmaConfig, dtype = 'float32'): Record<string, unknown> {
  if (config.kind === 'decoder-only') {
    return { architectures: ['Gemma2ForCausalLM'], model_type: 'gemma2', dtype, torch_dtype: dtype, ...sideFields(config.decoder) };
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
    torch_dtype: dtype,
    encoder: { ...sideFields(encoder), ...side, is_decoder: false },
    eos_token_id: decoder.eosTokenIds.length === 1 ? decoder.eosTokenIds[0] : decoder.eosTokenIds,
    initializer_range: 0.02,
    is_encoder_decoder: true,
    pad_token_id: decoder.padTokenId,
    tie_word_embeddings: true,
    vocab_size: decoder.vocabularySize,
    // Ours: other readers ignore them.
    encoder_window: config.encoderWindow,
    ...(config.tieEncoderEmbedding ? { tie_encoder_embedding: true } : {}),
  };
}
