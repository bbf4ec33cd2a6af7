import { ATTENTION_PROJECTIONS, FEED_FORWARD_PROJECTIONS, type BlockDescription } from '../model/block';
import { ConfigFields } from '../model/config-fields';
import type { DecoderOnlyConfig, SideConfig } from '../model/config-types';
import { PRE_NORM_NAMES, singleStack } from '../model/names';
import { fixed, inert, read, type PublishedKeys } from '../model/published-defaults';
import { decoderOnlyClassifier, readDecoderOnly } from './decoder-only';
import { allFull, type Family } from './family';
import { unusualKeys } from './ignored-keys';
import { readRotary, ROTARY_TYPES, writeRotary } from './rotary-config';
import { readSide, sorted, writeSide } from './side-config';

/** Keys of a Llama's config.json. */
export const LLAMA_KEYS = {
  vocab_size: read(32_000),
  hidden_size: read(4096),
  intermediate_size: read(11_008),
  num_hidden_layers: read(32),
  num_attention_heads: read(32),
  /** As many as query heads. */
  num_key_value_heads: read(undefined, 'the default'),
  hidden_act: fixed('silu'),
  max_position_embeddings: read(2048),
  initializer_range: read(0.02),
  rms_norm_eps: read(1e-6),
  use_cache: inert(true),
  pad_token_id: read(null, 'none'),
  bos_token_id: read(1),
  eos_token_id: read(2, 'none'),
  pretraining_tp: inert(1),
  tie_word_embeddings: read(false),
  rope_parameters: read(undefined, 'the default'),
  /** SmolLM2's files have it. */
  rope_interleaved: fixed(false, 'the default'),
  attention_bias: read(false),
  attention_dropout: read(0, 'the default'),
  mlp_bias: read(false),
  /** hidden_size / num_attention_heads */
  head_dim: read(undefined, 'the default'),
} satisfies PublishedKeys;

/** One norm in front of each sub-layer, with gain w, SiLU, and embeddings as they are (quirk 26 of the second set). */
export const LLAMA_BLOCK: BlockDescription = {
  normGain: 'weight',
  norms: 'pre',
  queryKeyNorms: false,
  biases: [],
  activation: 'silu',
  embeddingScale: 'none',
  crossAttention: 'separate',
};

const readLlamaSide = (fields: ConfigFields): SideConfig =>
  readSide(fields, (layers) => ({
    block: {
      ...LLAMA_BLOCK,
      biases: [
        ...(fields.boolean('attention_bias') ? ATTENTION_PROJECTIONS : []),
        ...(fields.boolean('mlp_bias') ? FEED_FORWARD_PROJECTIONS : []),
      ],
    },
    rotary: readRotary(fields, ROTARY_TYPES),
    layerTypes: allFull(layers),
  }));

/** Llama, and models of its architecture such as SmolLM2. */
export const llama: Family = {
  id: 'llama',
  title: 'Llama',
  modelTypes: ['llama'],
  kinds: ['decoder-only'],
  names: singleStack(PRE_NORM_NAMES),
  classifier: decoderOnlyClassifier('LlamaForSequenceClassification'),
  layerTypes: allFull,
  read({ json, where }) {
    const fields = new ConfigFields(json, LLAMA_KEYS, where);
    return readDecoderOnly(fields, 'llama', readLlamaSide(fields));
  },
  write(config, dtype) {
    const { decoder, untiedOutput } = config as DecoderOnlyConfig;
    const { biases } = decoder.block;
    return {
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      dtype,
      ...sorted({
        ...writeSide(decoder, config),
        attention_bias: biases.includes('q_proj'),
        hidden_act: 'silu',
        mlp_bias: biases.includes('up_proj'),
        ...writeRotary(decoder.rotary),
      }),
      tie_word_embeddings: untiedOutput !== true,
    };
  },
  ignoredKeys: (json) => unusualKeys(json, LLAMA_KEYS),
};
