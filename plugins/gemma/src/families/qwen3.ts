import { ATTENTION_PROJECTIONS, type BlockDescription } from '../model/block';
import { ConfigFields, LIMITS } from '../model/config-fields';
import type { DecoderOnlyConfig, LayerType, SideConfig } from '../model/config-types';
import { PRE_NORM_NAMES, singleStack } from '../model/names';
import { fixed, inert, read, type PublishedKeys } from '../model/published-defaults';
import { decoderOnlyClassifier, readDecoderOnly } from './decoder-only';
import { allFull, type Family } from './family';
import { unusualKeys } from './ignored-keys';
import { LLAMA_BLOCK } from './llama';
import { readRotary, ROTARY_TYPES, writeRotary } from './rotary-config';
import { readSide, sorted, writeSide } from './side-config';

/** Keys of a Qwen 3's config.json. */
export const QWEN3_KEYS = {
  vocab_size: read(151_936),
  hidden_size: read(4096),
  intermediate_size: read(22_016),
  num_hidden_layers: read(32),
  num_attention_heads: read(32),
  num_key_value_heads: read(32, 'none'),
  /** A key of its own: not hidden_size / num_attention_heads (quirk 28 of the second set). */
  head_dim: read(128),
  hidden_act: fixed('silu'),
  max_position_embeddings: read(32_768),
  initializer_range: read(0.02),
  rms_norm_eps: read(1e-6),
  use_cache: inert(true),
  tie_word_embeddings: read(false),
  rope_parameters: read(undefined, 'the default'),
  attention_bias: read(false),
  /** The window counts only with it. */
  use_sliding_window: read(false),
  sliding_window: read(4096, 'none'),
  /** The first layer with a window. */
  max_window_layers: read(28),
  layer_types: read(undefined, 'the default'),
  attention_dropout: read(0, 'the default'),
  pad_token_id: read(null, 'none'),
  bos_token_id: read(null),
  eos_token_id: read(null, 'none'),
} satisfies PublishedKeys;

/** Llama's block with norms of queries and keys. */
export const QWEN3_BLOCK: BlockDescription = { ...LLAMA_BLOCK, queryKeyNorms: true };

/** The window and the layers that have it. */
function windowOf(fields: ConfigFields, layers: number): Pick<SideConfig, 'layerTypes'> & { slidingWindow?: number } {
  const slides = fields.boolean('use_sliding_window') && fields.json.sliding_window !== null;
  const first = slides ? fields.integer('max_window_layers', LIMITS.layers, { least: 0 }) : layers;
  const silent = Array.from({ length: layers }, (_, layer): LayerType =>
    layer >= first ? 'sliding_attention' : 'full_attention',
  );
  const layerTypes = fields.layerTypes(layers, silent);
  if (slides) return { layerTypes, slidingWindow: fields.integer('sliding_window', LIMITS.positions) };
  if (layerTypes.includes('sliding_attention'))
    throw fields.fail(
      'layer_types',
      'has sliding layers, but "use_sliding_window" and "sliding_window" give no window',
    );
  return { layerTypes };
}

/** Qwen 3, dense. */
export const qwen3: Family = {
  id: 'qwen3',
  title: 'Qwen 3',
  modelTypes: ['qwen3'],
  kinds: ['decoder-only'],
  names: singleStack(PRE_NORM_NAMES),
  classifier: decoderOnlyClassifier('Qwen3ForSequenceClassification'),
  layerTypes: allFull,
  // Its configuration class knows no tokens; these are the published models'.
  defaults: { bos_token_id: 151_643, eos_token_id: 151_645 },
  read({ json, where }) {
    const fields = new ConfigFields(json, QWEN3_KEYS, where);
    const decoder = readSide(fields, (layers) => ({
      block: { ...QWEN3_BLOCK, biases: fields.boolean('attention_bias') ? ATTENTION_PROJECTIONS : [] },
      rotary: readRotary(fields, ROTARY_TYPES),
      ...windowOf(fields, layers),
    }));
    return readDecoderOnly(fields, 'qwen3', decoder);
  },
  write(config, dtype) {
    const { decoder, untiedOutput } = config as DecoderOnlyConfig;
    const { layerTypes, slidingWindow, layers } = decoder;
    const first = layerTypes.indexOf('sliding_attention');
    return {
      architectures: ['Qwen3ForCausalLM'],
      model_type: 'qwen3',
      dtype,
      ...sorted({
        ...writeSide(decoder, config),
        attention_bias: decoder.block.biases.includes('q_proj'),
        hidden_act: 'silu',
        layer_types: layerTypes,
        max_window_layers: first < 0 ? layers : first,
        sliding_window: first < 0 ? null : slidingWindow,
        use_sliding_window: first >= 0,
        ...writeRotary(decoder.rotary),
      }),
      tie_word_embeddings: untiedOutput !== true,
    };
  },
  ignoredKeys: (json) => unusualKeys(json, QWEN3_KEYS),
};
