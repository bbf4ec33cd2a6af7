/**
 * The published meaning of a missing key in config.json, key by key: these numbers are only here. `npm run test:peers`
 * compares the tables with the library's own configuration classes.
 */
import { SPECIAL_TOKENS_KEY } from '@graft/core/internal';

/** How Graft treats a key. */
export type KeyUse =
  /** Its value decides the model. */
  | 'read'
  /** Another value than the default (or null) would need arithmetic that Graft lacks: refused. */
  | 'fixed'
  /** Neither implementation lets it change a model's numbers. */
  | 'inert';

export interface PublishedKey {
  readonly use: KeyUse;
  /** The meaning of a missing key. undefined: it follows from other keys. */
  readonly default: unknown;
  /** The published configuration accepts null, with the meaning `nullMeans`. Other keys refuse null. */
  readonly nullMeans?: 'the default' | 'none';
}

type Keys = Readonly<Record<string, PublishedKey>>;

interface Key<V> extends PublishedKey {
  readonly default: V;
}

const read = <V>(value: V, nullMeans?: PublishedKey['nullMeans']): Key<V> => ({
  use: 'read',
  default: value,
  nullMeans,
});
const fixed = <V>(value: V, nullMeans?: PublishedKey['nullMeans']): Key<V> => ({
  ...read(value, nullMeans),
  use: 'fixed',
});
const inert = <V>(value: V, nullMeans?: PublishedKey['nullMeans']): Key<V> => ({
  ...read(value, nullMeans),
  use: 'inert',
});

const STACK = {
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
} satisfies Keys;

/** Keys of a Gemma 2's config.json. */
export const GEMMA2_KEYS = {
  ...STACK,
  tie_word_embeddings: read(true),
  use_bidirectional_attention: fixed(false, 'the default'),
} satisfies Keys;

/** Keys of a T5Gemma's `encoder` and `decoder` sections. The whole model's config.json overrides some of them. */
export const T5GEMMA_SECTION_KEYS = {
  ...STACK,
  /** For these only the whole model's key has an effect, even if it is missing. */
  tie_word_embeddings: inert(true),
  attention_dropout: inert(0),
  dropout_rate: inert(0),
  is_decoder: inert(false),
  cross_attention_hidden_size: inert(undefined, 'the default'),
} satisfies Keys;

/**
 * Keys of a T5Gemma's config.json besides the two sections, which have the defaults of their keys if they are missing.
 */
export const T5GEMMA_KEYS = {
  encoder: read(undefined, 'the default'),
  decoder: read(undefined, 'the default'),
  is_encoder_decoder: read(true),
  dropout_rate: read(0),
  classifier_dropout_rate: read(0),
  attention_dropout: read(0),
  tie_word_embeddings: read(true),
  vocab_size: inert(256_000),
  /** By default the decoder's. */
  initializer_range: read(undefined),
  bos_token_id: read(undefined, 'none'),
  eos_token_id: read(undefined, 'none'),
  pad_token_id: read(undefined, 'none'),
} satisfies Keys;

/** Keys of every configuration that do not concern a model's numbers. */
export const COMMON_KEYS: readonly string[] = [
  'model_type',
  'architectures',
  'dtype',
  'torch_dtype',
  'transformers_version',
  '_name_or_path',
  'name_or_path',
  'id2label',
  'label2id',
  'num_labels',
  'problem_type',
  'is_encoder_decoder',
  'is_causal',
  'return_dict',
  'output_hidden_states',
  'output_attentions',
  'chunk_size_feed_forward',
];

/** Graft's own keys; other readers ignore them. */
export const OWN_KEYS: readonly string[] = [
  'encoder_window',
  'encoder_attention',
  'tie_encoder_embedding',
  SPECIAL_TOKENS_KEY,
];

/** The older spelling of `rope_parameters`: both are read. */
export const ROTARY_KEYS: readonly string[] = ['rope_parameters', 'rope_scaling', 'rope_theta'];

/** Keys of only some configurations, with which the published implementation computes something else. */
export const REFUSED_KEYS: Readonly<Record<string, string>> = {
  quantization_config: 'says that the weights are quantized; Graft reads float32, float16 and bfloat16',
  per_layer_config: 'gives layers configurations of their own; layers of a Graft model differ by their attention alone',
};

export const DEFAULT_ROPE_THETA = 10_000;

/** Layers alternate, sliding first (quirk 2). */
export function defaultLayerTypes(layers: number): ('sliding_attention' | 'full_attention')[] {
  return Array.from({ length: layers }, (_, layer) => (layer % 2 === 0 ? 'sliding_attention' : 'full_attention'));
}
