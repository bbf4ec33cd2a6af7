import { GEMMA2_BLOCK } from '../model/block';
import { ConfigFields, LIMITS } from '../model/config-fields';
import type { AnyGemmaConfig, SideConfig } from '../model/config-types';
import { DECODER_ONLY_NAMES, singleStack } from '../model/names';
import { defaultLayerTypes, fixed, inert, read, type PublishedKeys } from '../model/published-defaults';
import { decoderOnlyClassifier, readDecoderOnly } from './decoder-only';
import type { Family } from './family';
import { unusualKeys } from './ignored-keys';
import { readRotary, writeRotary } from './rotary-config';
import { readSide, sorted, writeSide } from './side-config';

/** Keys of a stack of Gemma 2's layers, which T5Gemma's sections share. */
export const GEMMA2_STACK_KEYS = {
  vocab_size: read(256_000),
  hidden_size: read(2304),
  intermediate_size: read(9216),
  num_hidden_layers: read(26),
  num_attention_heads: read(8),
  num_key_value_heads: read(4),
  head_dim: read(256),
  hidden_activation: fixed('gelu_pytorch_tanh'),
  max_position_embeddings: read(8192),
  initializer_range: read(0.02),
  rms_norm_eps: read(1e-6),
  use_cache: inert(true),
  pad_token_id: read(0, 'none'),
  eos_token_id: read(1, 'none'),
  bos_token_id: read(2),
  rope_parameters: read(undefined, 'the default'),
  attention_bias: fixed(false),
  attention_dropout: read(0, 'the default'),
  query_pre_attn_scalar: read(256),
  sliding_window: read(4096),
  /** Layers alternate, sliding first. */
  layer_types: read(undefined, 'the default'),
  final_logit_softcapping: read(30, 'none'),
  attn_logit_softcapping: read(50, 'none'),
} satisfies PublishedKeys;

/** Keys of a Gemma 2's config.json. */
export const GEMMA2_KEYS = {
  ...GEMMA2_STACK_KEYS,
  tie_word_embeddings: read(true),
  use_bidirectional_attention: fixed(false, 'the default'),
} satisfies PublishedKeys;

/** A stack of Gemma 2's layers. */
export function readGemma2Side(fields: ConfigFields): SideConfig {
  return readSide(fields, (layers) => ({
    block: GEMMA2_BLOCK,
    rotary: readRotary(fields, ['default']),
    layerTypes: fields.layerTypes(layers, defaultLayerTypes(layers)),
    slidingWindow: fields.integer('sliding_window', LIMITS.positions),
    attentionSoftCap: fields.cap('attn_logit_softcapping'),
    finalLogitSoftCap: fields.cap('final_logit_softcapping'),
    queryPreAttentionScalar: fields.positive('query_pre_attn_scalar', LIMITS.attentionScalar),
  }));
}

/** The same, to be written. */
export function writeGemma2Side(side: SideConfig, config: AnyGemmaConfig): Record<string, unknown> {
  return sorted({
    ...writeSide(side, config),
    attention_bias: false,
    attn_logit_softcapping: side.attentionSoftCap,
    final_logit_softcapping: side.finalLogitSoftCap,
    hidden_activation: 'gelu_pytorch_tanh',
    layer_types: side.layerTypes,
    query_pre_attn_scalar: side.queryPreAttentionScalar,
    sliding_window: side.slidingWindow,
    ...writeRotary(side.rotary),
  });
}

/** Gemma 2, decoder-only. */
export const gemma2: Family = {
  id: 'gemma2',
  title: 'Gemma 2',
  modelTypes: ['gemma2'],
  kinds: ['decoder-only'],
  names: singleStack(DECODER_ONLY_NAMES),
  classifier: decoderOnlyClassifier('Gemma2ForSequenceClassification'),
  layerTypes: defaultLayerTypes,
  read({ json, where }) {
    const fields = new ConfigFields(json, GEMMA2_KEYS, where);
    return readDecoderOnly(fields, 'gemma2', readGemma2Side(fields));
  },
  write(config, dtype) {
    const { decoder, untiedOutput } = config as Extract<AnyGemmaConfig, { kind: 'decoder-only' }>;
    return {
      architectures: ['Gemma2ForCausalLM'],
      model_type: 'gemma2',
      dtype,
      ...writeGemma2Side(decoder, config),
      tie_word_embeddings: untiedOutput !== true,
    };
  },
  ignoredKeys: (json) => unusualKeys(json, GEMMA2_KEYS),
};
