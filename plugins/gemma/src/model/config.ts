import { CheckpointError, type SpecialTokens } from '@graft/core';
import {
  isObject,
  mergeSpecialTokens,
  readSpecialTokens,
  SPECIAL_TOKENS_KEY,
  storedSpecialTokens,
} from '@graft/core/internal';
import type {
  AnyGemmaConfig,
  EncoderDecoderConfig,
  EncoderOnlyConfig,
  GemmaConfig,
  GemmaOptions,
  SideConfig,
} from './config-types';
import { decoderOnlyRates, encoderDecoderRates, NO_DROPOUT } from './dropout-rates';
import { ConfigFields, LIMITS, shown, type Json } from './config-fields';
import {
  GEMMA2_KEYS,
  T5GEMMA_KEYS,
  T5GEMMA_SECTION_KEYS,
  DEFAULT_ROPE_THETA,
  type PublishedKey,
} from './published-defaults';

/** The encoder of an encoder-decoder, as a config of its own. */
export function encoderOf({
  encoder,
  encoderWindow,
  encoderAttention,
  initializerRange,
  rematerialize,
  attention,
  specialTokens,
  dropout,
}: EncoderDecoderConfig): EncoderOnlyConfig {
  return {
    kind: 'encoder-only',
    encoder,
    encoderWindow,
    ...(encoderAttention ? { encoderAttention } : {}),
    initializerRange,
    ...(rematerialize ? { rematerialize } : {}),
    ...(attention ? { attention } : {}),
    ...(specialTokens ? { specialTokens } : {}),
    ...(dropout ? { dropout } : {}),
  };
}

/**
 * An encoder-decoder with this encoder, whose decoder is never run: code for its encoder also works for an encoder
 * alone.
 */
export function withIdleDecoder({ encoder, ...rest }: EncoderOnlyConfig): EncoderDecoderConfig {
  return { ...rest, kind: 'encoder-decoder', encoder, decoder: encoder, tieEncoderEmbedding: false };
}

/** Defaults of a model's options without a checkpoint: those of an empty config.json. */
export const SIDE_DEFAULTS = {
  vocabularySize: GEMMA2_KEYS.vocab_size.default,
  rmsNormEpsilon: GEMMA2_KEYS.rms_norm_eps.default,
  ropeTheta: DEFAULT_ROPE_THETA,
  maxPositions: GEMMA2_KEYS.max_position_embeddings.default,
  slidingWindow: GEMMA2_KEYS.sliding_window.default,
  attentionSoftCap: GEMMA2_KEYS.attn_logit_softcapping.default,
  finalLogitSoftCap: GEMMA2_KEYS.final_logit_softcapping.default,
  padTokenId: GEMMA2_KEYS.pad_token_id.default,
  bosTokenId: GEMMA2_KEYS.bos_token_id.default,
  eosTokenIds: [GEMMA2_KEYS.eos_token_id.default],
} as const;

function fail(where: string, field: string, problem: string): CheckpointError {
  return new CheckpointError(`${where}: "${field}" ${problem}.`, { code: 'gemma.config' });
}

function parseSide(json: Json, keys: Readonly<Record<string, PublishedKey>>, where: string): SideConfig {
  const fields = new ConfigFields(json, keys, where);
  fields.refuseForeign();
  const layers = fields.integer('num_hidden_layers', LIMITS.layers);
  const heads = fields.integer('num_attention_heads', LIMITS.heads);
  const keyValueHeads = fields.integer('num_key_value_heads', LIMITS.heads);
  if (heads % keyValueHeads !== 0) {
    throw fields.fail(
      'num_key_value_heads',
      `is ${keyValueHeads}, which does not divide "num_attention_heads" ${heads}`,
    );
  }
  const headDim = fields.integer('head_dim', LIMITS.headDim);
  if (headDim % 2 !== 0) throw fields.fail('head_dim', `is ${headDim}; rotary positions need an even number`);
  const vocabularySize = fields.integer('vocab_size', LIMITS.vocabularySize);
  return {
    layers,
    hidden: fields.integer('hidden_size', LIMITS.width),
    feedForward: fields.integer('intermediate_size', LIMITS.width),
    heads,
    headDim,
    keyValueHeads,
    vocabularySize,
    rmsNormEpsilon: fields.positive('rms_norm_eps', LIMITS.epsilon),
    ropeTheta: fields.ropeTheta(),
    maxPositions: fields.integer('max_position_embeddings', LIMITS.positions),
    slidingWindow: fields.integer('sliding_window', LIMITS.positions),
    layerTypes: fields.layerTypes(layers),
    attentionSoftCap: fields.cap('attn_logit_softcapping'),
    finalLogitSoftCap: fields.cap('final_logit_softcapping'),
    queryPreAttentionScalar: fields.positive('query_pre_attn_scalar', LIMITS.attentionScalar),
    padTokenId: fields.token('pad_token_id', vocabularySize),
    bosTokenId: fields.startToken('bos_token_id', vocabularySize),
    eosTokenIds: fields.tokens('eos_token_id'),
  };
}

/** Refuses sides that cannot form a model. `where` begins the sentence. */
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

/** The values of `model_type` that this family reads. */
export const GEMMA_MODEL_TYPES: readonly string[] = ['gemma2', 't5gemma'];

/**
 * Reads a Hugging Face config.json of Gemma 2, T5Gemma or T5Gemma's encoder alone, in the form of version 4 or 5 (quirk
 * 11). Missing keys have the published defaults (published-defaults.ts). Throws CheckpointError naming `where`, the
 * field, and what was expected.
 */
export function readModelConfig(json: Json, options: GemmaOptions = {}, where = 'config.json'): AnyGemmaConfig {
  const declared = readSpecialTokens(json, where);
  const asked = options.specialTokens;
  const policy = declared || asked ? { specialTokens: mergeSpecialTokens(asked, declared) } : {};
  if (json.model_type === 'gemma2') {
    const fields = new ConfigFields(json, GEMMA2_KEYS, where);
    return {
      kind: 'decoder-only',
      decoder: parseSide(json, GEMMA2_KEYS, where),
      initializerRange: fields.positive('initializer_range', LIMITS.deviation),
      ...(fields.boolean('tie_word_embeddings') ? {} : { untiedOutput: true }),
      ...policy,
      ...decoderOnlyRates(fields),
    };
  }
  if (json.model_type !== 't5gemma') {
    throw fail(where, 'model_type', `should be "gemma2" or "t5gemma", but is ${shown(json.model_type)}`);
  }
  const fields = new ConfigFields(json, T5GEMMA_KEYS, where);
  fields.refuseForeign();
  const sectionFields = (field: 'encoder' | 'decoder'): Json => {
    const value = json[field] ?? {};
    if (isObject(value)) return value;
    throw fail(where, field, `should be an object with that side's configuration, but is ${shown(value)}`);
  };
  const section = (field: 'encoder' | 'decoder'): SideConfig =>
    parseSide(sectionFields(field), T5GEMMA_SECTION_KEYS, `${where}, ${field}`);
  const decoderFields = new ConfigFields(sectionFields('decoder'), T5GEMMA_SECTION_KEYS, `${where}, decoder`);
  const encoder = section('encoder');
  const shared = {
    ...encoderFields(json, options, where),
    initializerRange: fields.positive(
      'initializer_range',
      LIMITS.deviation,
      decoderFields.positive('initializer_range', LIMITS.deviation),
    ),
    ...policy,
    ...encoderDecoderRates(fields),
  };
  // The decoder's section, which the published implementation writes anyway, has no meaning then (quirk 21).
  if (isEncoderAlone(json, fields)) return { kind: 'encoder-only', encoder, ...shared };
  const own = section('decoder');
  // Generation uses the whole model's end tokens, by default the decoder's.
  const decoder = 'eos_token_id' in json ? { ...own, eosTokenIds: fields.tokens('eos_token_id') } : own;
  checkStart(fields, own);
  const tieEncoderEmbedding = options.tieEncoderEmbedding ?? json.tie_encoder_embedding === true;
  checkPair(encoder, decoder, tieEncoderEmbedding, where);
  return {
    kind: 'encoder-decoder',
    encoder,
    decoder,
    ...shared,
    tieEncoderEmbedding,
    // In an encoder-decoder, only the whole model's key for ties has an effect, not those of its sides.
    ...(fields.boolean('tie_word_embeddings') ? {} : { untiedOutput: true }),
  };
}

/** Like `readModelConfig`, for a model that generates text: throws CheckpointError for an encoder alone. */
export function parseCheckpointConfig(json: Json, options: GemmaOptions = {}, where = 'config.json'): GemmaConfig {
  const config = readModelConfig(json, options, where);
  if (config.kind !== 'encoder-only') return config;
  throw new CheckpointError(`${where} describes an encoder alone, which has no decoder and makes no words.`, {
    code: 'gemma.encoder-only',
    exitCode: 2,
    hint: 'Embedding, classification and SuperGLUE take it; name an encoder-decoder or a decoder-only checkpoint here.',
  });
}

/** Window and direction of the encoder: Graft's own keys, which other readers ignore. */
function encoderFields(
  json: Json,
  options: GemmaOptions,
  where: string,
): Pick<EncoderOnlyConfig, 'encoderWindow' | 'encoderAttention'> {
  const window = json.encoder_window ?? 'strict';
  if (window !== 'strict' && window !== 'inclusive') {
    throw fail(where, 'encoder_window', `should be "strict" or "inclusive", but is ${shown(window)}`);
  }
  const attention = json.encoder_attention ?? 'bidirectional';
  if (attention !== 'bidirectional' && attention !== 'causal') {
    throw fail(where, 'encoder_attention', `should be "bidirectional" or "causal", but is ${shown(attention)}`);
  }
  return {
    encoderWindow: options.encoderWindow ?? window,
    ...((options.encoderAttention ?? attention) === 'causal' ? { encoderAttention: 'causal' } : {}),
  };
}

/** Whether a T5Gemma's config.json describes the encoder alone, or a classifier of it. */
function isEncoderAlone(json: Json, fields: ConfigFields): boolean {
  const names: readonly unknown[] = Array.isArray(json.architectures) ? json.architectures : [];
  const two = fields.boolean('is_encoder_decoder');
  if (names.includes(ENCODER_ARCHITECTURE)) return true;
  // The published language model has two sides whatever this key contains.
  return !two && !names.includes(LANGUAGE_ARCHITECTURE);
}

/**
 * The published implementation starts sequences with the decoder's token in training and the whole model's in
 * generation.
 */
function checkStart(fields: ConfigFields, { bosTokenId, vocabularySize }: SideConfig): void {
  const start = fields.token('bos_token_id', vocabularySize, bosTokenId) ?? bosTokenId;
  if (start === bosTokenId) return;
  throw fields.fail(
    'bos_token_id',
    `is ${start}, but the decoder's is ${bosTokenId}; Graft starts a decoder's input with one token`,
  );
}

const ENCODER_ARCHITECTURE = 'T5GemmaEncoderModel';
const LANGUAGE_ARCHITECTURE = 'T5GemmaForConditionalGeneration';

/** A model's special tokens. Without a pad token an end token pads, as in the published implementation's generation. */
export function tokensOf({ padTokenId, bosTokenId, eosTokenIds }: SideConfig): Omit<SpecialTokens, 'policy'> {
  return { pad: padTokenId ?? eosTokenIds[0] ?? 0, start: bosTokenId, eos: eosTokenIds };
}

/** Graft's own key; other readers ignore it. */
function policyField(config: AnyGemmaConfig): Record<string, unknown> {
  const { kind, specialTokens: policy } = config;
  if (!policy) return {};
  const side = config.kind === 'encoder-only' ? config.encoder : config.decoder;
  return { [SPECIAL_TOKENS_KEY]: storedSpecialTokens({ kind, specialTokens: { ...tokensOf(side), policy } }) };
}

const oneOrList = (ids: readonly number[]): number | readonly number[] | null =>
  ids.length > 1 ? ids : (ids[0] ?? null);

function sideFields(
  side: SideConfig,
  { initializerRange, dropout = NO_DROPOUT }: Pick<AnyGemmaConfig, 'initializerRange' | 'dropout'>,
): Record<string, unknown> {
  return {
    attention_bias: false,
    attention_dropout: dropout.attentionDropout,
    attn_logit_softcapping: side.attentionSoftCap,
    bos_token_id: side.bosTokenId,
    eos_token_id: oneOrList(side.eosTokenIds),
    final_logit_softcapping: side.finalLogitSoftCap,
    head_dim: side.headDim,
    hidden_activation: 'gelu_pytorch_tanh',
    hidden_size: side.hidden,
    initializer_range: initializerRange,
    intermediate_size: side.feedForward,
    layer_types: side.layerTypes,
    max_position_embeddings: side.maxPositions,
    num_attention_heads: side.heads,
    num_hidden_layers: side.layers,
    num_key_value_heads: side.keyValueHeads,
    pad_token_id: side.padTokenId,
    query_pre_attn_scalar: side.queryPreAttentionScalar,
    rms_norm_eps: side.rmsNormEpsilon,
    // Both spellings: version 4 silently uses 10000 if it finds only the new one (quirk 11).
    rope_parameters: { rope_theta: side.ropeTheta, rope_type: 'default' },
    rope_theta: side.ropeTheta,
    sliding_window: side.slidingWindow,
    tie_word_embeddings: true,
    use_cache: true,
    vocab_size: side.vocabularySize,
  };
}

/**
 * The config.json that versions 4 and 5 of the published implementation read. `dtype`: of the stored tensors, e.g.
 * `float32`.
 */
export function toCheckpointConfig(config: AnyGemmaConfig, dtype = 'float32'): Record<string, unknown> {
  if (config.kind === 'decoder-only') {
    const ties = { tie_word_embeddings: config.untiedOutput !== true };
    return {
      architectures: ['Gemma2ForCausalLM'],
      model_type: 'gemma2',
      dtype,
      ...sideFields(config.decoder, config),
      ...ties,
      ...policyField(config),
    };
  }
  const { encoder, initializerRange, dropout: rates = NO_DROPOUT } = config;
  const side = { model_type: 't5_gemma_module', dropout_rate: rates.dropout };
  // An encoder alone has no decoder section: what others write there has no meaning.
  const whole = config.kind === 'encoder-decoder' ? config.decoder : encoder;
  return {
    architectures: [config.kind === 'encoder-decoder' ? LANGUAGE_ARCHITECTURE : ENCODER_ARCHITECTURE],
    model_type: 't5gemma',
    attention_dropout: rates.attentionDropout,
    bos_token_id: whole.bosTokenId,
    classifier_dropout_rate: rates.classifierDropout,
    ...(config.kind === 'encoder-decoder' && {
      decoder: {
        ...sideFields(config.decoder, config),
        ...side,
        is_decoder: true,
        cross_attention_hidden_size: encoder.hidden,
      },
    }),
    dropout_rate: rates.dropout,
    dtype,
    encoder: { ...sideFields(encoder, config), ...side, is_decoder: false },
    eos_token_id: oneOrList(whole.eosTokenIds),
    initializer_range: initializerRange,
    is_encoder_decoder: config.kind === 'encoder-decoder',
    pad_token_id: whole.padTokenId,
    tie_word_embeddings: config.kind === 'encoder-only' || config.untiedOutput !== true,
    vocab_size: whole.vocabularySize,
    // Graft's own keys; other readers ignore them.
    encoder_window: config.encoderWindow,
    ...(config.encoderAttention === 'causal' ? { encoder_attention: 'causal' } : {}),
    ...(config.kind === 'encoder-decoder' && config.tieEncoderEmbedding ? { tie_encoder_embedding: true } : {}),
    ...policyField(config),
  };
}
