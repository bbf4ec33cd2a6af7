type Json = Record<string, unknown>;

/** If a model's numbers depend on a key, its value is not the default, so that removing it changes something. */
const STACK: Json = {
  vocab_size: 301,
  hidden_size: 64,
  intermediate_size: 72,
  num_hidden_layers: 3,
  num_attention_heads: 16,
  num_key_value_heads: 2,
  head_dim: 6,
  hidden_activation: 'gelu_pytorch_tanh',
  max_position_embeddings: 99,
  initializer_range: 0.3,
  rms_norm_eps: 1e-4,
  use_cache: false,
  pad_token_id: 3,
  eos_token_id: [7, 8],
  bos_token_id: 5,
  rope_parameters: { rope_theta: 777.5, rope_type: 'default' },
  attention_bias: false,
  attention_dropout: 0.05,
  query_pre_attn_scalar: 11,
  sliding_window: 5,
  layer_types: ['full_attention', 'full_attention', 'sliding_attention'],
  final_logit_softcapping: 17.5,
  attn_logit_softcapping: 19.5,
};
/** One of its sections. */
export const SECTION: Json = {
  ...STACK,
  tie_word_embeddings: false,
  is_decoder: true,
  dropout_rate: 0.35,
  cross_attention_hidden_size: 9,
};
/** A whole config.json of Gemma 2. */
export const GEMMA2: Json = {
  model_type: 'gemma2',
  ...STACK,
  tie_word_embeddings: false,
  use_bidirectional_attention: false,
};
/** A whole config.json of T5Gemma. */
export const T5GEMMA: Json = {
  model_type: 't5gemma',
  encoder: { ...SECTION, hidden_size: 48, sliding_window: 6 },
  decoder: SECTION,
  is_encoder_decoder: true,
  dropout_rate: 0.15,
  classifier_dropout_rate: 0.1,
  attention_dropout: 0.25,
  tie_word_embeddings: false,
  vocab_size: 77,
  initializer_range: 0.4,
  bos_token_id: 5,
  eos_token_id: 9,
  pad_token_id: 3,
};
