/**
 * How the meaning of a missing key in config.json is noted, and the keys that all families share. The tables themselves
 * are in the families' files; `npm run test:peers` compares them with the library's own configuration classes.
 */
import { SPECIAL_TOKENS_KEY } from '@graft/core/internal';
import type { LayerType } from './config-types';

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

export type PublishedKeys = Readonly<Record<string, PublishedKey>>;

export interface Key<V> extends PublishedKey {
  readonly default: V;
}

/** A key that decides the model. */
export const read = <V>(value: V, nullMeans?: PublishedKey['nullMeans']): Key<V> => ({
  use: 'read',
  default: value,
  nullMeans,
});
/** A key of which Graft's arithmetic has one value alone. */
export const fixed = <V>(value: V, nullMeans?: PublishedKey['nullMeans']): Key<V> => ({
  ...read(value, nullMeans),
  use: 'fixed',
});
/** A key that changes no number of a model. */
export const inert = <V>(value: V, nullMeans?: PublishedKey['nullMeans']): Key<V> => ({
  ...read(value, nullMeans),
  use: 'inert',
});

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
  'function_preserving',
  SPECIAL_TOKENS_KEY,
];

/** `rope_parameters` and its older spelling: both are read. */
export const ROTARY_KEYS: readonly string[] = ['rope_parameters', 'rope_scaling', 'rope_theta'];

/** Keys of only some configurations, with which the published implementation computes something else. */
export const REFUSED_KEYS: Readonly<Record<string, string>> = {
  quantization_config: 'says that the weights are quantized; Graft reads float32, float16 and bfloat16',
  per_layer_config: 'gives layers configurations of their own; layers of a Graft model differ by their attention alone',
};

export const DEFAULT_ROPE_THETA = 10_000;

/** Layers alternate, sliding first (quirk 2). */
export function defaultLayerTypes(layers: number): LayerType[] {
  return Array.from({ length: layers }, (_, layer) => (layer % 2 === 0 ? 'sliding_attention' : 'full_attention'));
}
