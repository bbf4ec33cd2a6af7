import { isObject } from '@graft/core/internal';
import { GEMMA2_BLOCK, type BlockDescription } from '../model/block';
import { ConfigFields, LIMITS, shown, type Json } from '../model/config-fields';
import type { AnyGemmaConfig, EncoderDecoderConfig, LayerType, SideConfig } from '../model/config-types';
import { decoderOnlyRates } from '../model/dropout-rates';
import { DECODER_ONLY_NAMES, singleStack, TIED_OUTPUT_NAMES } from '../model/names';
import { fixed, inert, read, type PublishedKeys } from '../model/published-defaults';
import { decoderOnlyClassifier, readDecoderOnly } from './decoder-only';
import { readEncoderFields, writeEncoderFields } from './encoder-config';
import type { Family } from './family';
import { unusualKeys } from './ignored-keys';
import { readRotaryByLayer, writeRotaryByLayer } from './rotary-config';
import { readSide, sorted, writeSide } from './side-config';

/** Keys of a stack of Gemma 3's layers, which T5Gemma 2's sections share. */
export const GEMMA3_STACK_KEYS = {
  vocab_size: read(262_208),
  hidden_size: read(2304),
  intermediate_size: read(9216),
  num_hidden_layers: read(26),
  num_attention_heads: read(8),
  num_key_value_heads: read(4),
  head_dim: read(256),
  hidden_activation: fixed('gelu_pytorch_tanh'),
  max_position_embeddings: read(131_072),
  initializer_range: read(0.02),
  rms_norm_eps: read(1e-6),
  use_cache: inert(true),
  pad_token_id: read(0, 'none'),
  eos_token_id: read(1, 'none'),
  bos_token_id: read(2),
  rope_parameters: read(undefined, 'the default'),
  /** The older spelling of theta of sliding layers. */
  rope_local_base_freq: read(undefined, 'the default'),
  attention_bias: fixed(false),
  attention_dropout: read(0, 'the default'),
  query_pre_attn_scalar: read(256),
  sliding_window: read(4096),
  /** Every sixth layer is full. */
  layer_types: read(undefined, 'the default'),
  sliding_window_pattern: read(6, 'the default'),
  /** The published implementation does not read it (quirk 6). */
  _sliding_window_pattern: inert(undefined, 'the default'),
  final_logit_softcapping: read(null, 'none'),
  /** Never applied, whatever it is (quirk 5). */
  attn_logit_softcapping: inert(null, 'none'),
} satisfies PublishedKeys;

/** Keys of a Gemma 3's config.json. */
export const GEMMA3_KEYS = {
  ...GEMMA3_STACK_KEYS,
  tie_word_embeddings: read(true),
  use_bidirectional_attention: read(false, 'the default'),
} satisfies PublishedKeys;

/** Gemma 2's block with norms of queries and keys. */
export const GEMMA3_BLOCK: BlockDescription = { ...GEMMA2_BLOCK, queryKeyNorms: true };

/** Of five layers out of six, the window. */
const PATTERN = 6;

/** Layer i is full if i + 1 is a multiple of the pattern (quirk 3). */
export const everyNth = (layers: number, pattern = PATTERN): LayerType[] =>
  Array.from({ length: layers }, (_, layer) => ((layer + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention'));

/** A stack of Gemma 3's layers. */
export function readGemma3Side(fields: ConfigFields, block: BlockDescription): SideConfig {
  return readSide(fields, (layers) => ({
    block,
    rotary: readRotaryByLayer(fields),
    layerTypes: fields.layerTypes(layers, everyNth(layers, fields.integer('sliding_window_pattern', LIMITS.layers))),
    slidingWindow: fields.integer('sliding_window', LIMITS.positions),
    finalLogitSoftCap: fields.cap('final_logit_softcapping'),
    queryPreAttentionScalar: fields.positive('query_pre_attn_scalar', LIMITS.attentionScalar),
  }));
}

/** The same, to be written. Versions before `layer_types` need the pattern. */
export function writeGemma3Side(side: SideConfig, config: AnyGemmaConfig): Record<string, unknown> {
  const regular = side.layerTypes.join() === everyNth(side.layers).join();
  return sorted({
    ...writeSide(side, config),
    attention_bias: false,
    attn_logit_softcapping: null,
    final_logit_softcapping: side.finalLogitSoftCap,
    hidden_activation: 'gelu_pytorch_tanh',
    layer_types: side.layerTypes,
    query_pre_attn_scalar: side.queryPreAttentionScalar,
    sliding_window: side.slidingWindow,
    ...(regular ? { sliding_window_pattern: PATTERN } : {}),
    ...writeRotaryByLayer(side.rotary),
  });
}

/** The text section of a folder that reads images, too; the whole config.json elsewhere. */
function textFields({ json, where }: { readonly json: Json; readonly where: string }): ConfigFields {
  if (json.model_type !== 'gemma3') return new ConfigFields(json, GEMMA3_KEYS, where);
  const section = json.text_config ?? {};
  if (isObject(section)) {
    // The whole model's end tokens and ties count.
    const shared = ['eos_token_id', 'tie_word_embeddings'].filter((key) => json[key] !== undefined);
    const whole = Object.fromEntries(shared.map((key) => [key, json[key]]));
    return new ConfigFields({ ...section, ...whole }, GEMMA3_KEYS, `${where}, text_config`);
  }
  const all = new ConfigFields(json, GEMMA3_KEYS, where);
  throw all.fail(
    'text_config',
    `should be an object with the configuration of the text model, but is ${shown(section)}`,
  );
}

/** Gemma 3, text: decoder-only, or bidirectional as an encoder alone. */
export const gemma3: Family = {
  id: 'gemma3',
  title: 'Gemma 3',
  modelTypes: ['gemma3_text', 'gemma3'],
  kinds: ['decoder-only', 'encoder-only'],
  names: singleStack(DECODER_ONLY_NAMES),
  // A bidirectional one is an encoder alone, of the same class.
  classifier: { ...decoderOnlyClassifier('Gemma3TextForSequenceClassification'), ofEncoder: true },
  encoderWindow: 'symmetric',
  layerTypes: (layers) => everyNth(layers),
  redundant: [...TIED_OUTPUT_NAMES, 'language_model.lm_head.weight'],
  publishedNames(name, kind) {
    const rest = name.replace(/^model\./, '');
    if (kind === 'encoder-only') return [rest, name];
    // The modules of a model that reads images, too.
    return rest === name ? [name] : [name, `model.language_model.${rest}`, `language_model.model.${rest}`];
  },
  storedNames(name) {
    // Folders that read images, too, put the text model under another name (quirk 7); an encoder alone has none.
    const rest = name.replace(/^model\./, '');
    if (rest === name) return [`language_model.${name}`, name];
    return [`language_model.model.${rest}`, `model.language_model.${rest}`, rest, name];
  },
  read({ json, options, where }) {
    const fields = textFields({ json, where });
    const side = readGemma3Side(fields, GEMMA3_BLOCK);
    if (!fields.boolean('use_bidirectional_attention')) return readDecoderOnly(fields, 'gemma3', side);
    return {
      kind: 'encoder-only',
      family: 'gemma3',
      encoder: side,
      initializerRange: fields.positive('initializer_range', LIMITS.deviation),
      ...decoderOnlyRates(fields),
      ...readEncoderFields(fields, options, 'symmetric'),
    };
  },
  write(any, dtype) {
    const config = any as Exclude<AnyGemmaConfig, EncoderDecoderConfig>;
    const alone = config.kind === 'encoder-only';
    return {
      architectures: [alone ? 'Gemma3TextModel' : 'Gemma3ForCausalLM'],
      model_type: 'gemma3_text',
      dtype,
      ...writeGemma3Side(alone ? config.encoder : config.decoder, config),
      tie_word_embeddings: alone || config.untiedOutput !== true,
      use_bidirectional_attention: alone,
      ...(alone ? writeEncoderFields(config, 'symmetric') : {}),
    };
  },
  ignoredKeys(json) {
    if (json.model_type !== 'gemma3') return unusualKeys(json, GEMMA3_KEYS);
    return isObject(json.text_config) ? unusualKeys(json.text_config, GEMMA3_KEYS, 'text_config.') : [];
  },
};
