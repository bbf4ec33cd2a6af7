import { GEMMA2, SECTION, T5GEMMA } from '../../test-support/whole-configs';
import { ignoredKeys, toCheckpointConfig, parseCheckpointConfig } from './config';
import { GEMMA2_KEYS } from '../families/gemma2';
import { T5GEMMA_KEYS, T5GEMMA_SECTION_KEYS } from '../families/t5gemma';
import { GEMMA2_BLOCK } from './block';
import { defaultLayerTypes, type PublishedKey } from './published-defaults';

type Json = Record<string, unknown>;

const without = (json: Json, ...keys: string[]): Json =>
  Object.fromEntries(Object.entries(json).filter(([key]) => !keys.includes(key)));

/** The meaning of a missing key in this JSON, written out. */
function silence(key: string, keys: Readonly<Record<string, PublishedKey>>, json: Json): unknown {
  if (key === 'rope_parameters') return { rope_theta: 10_000, rope_type: 'default' };
  if (key === 'layer_types') return defaultLayerTypes(json.num_hidden_layers as number);
  return keys[key].default;
}

describe('a config.json without a key', () => {
  it.each(Object.keys(GEMMA2_KEYS))('a gemma2 config without %s means its published default', (key) => {
    // The list of layers depends on their number.
    const base = key === 'num_hidden_layers' ? without(GEMMA2, 'layer_types') : GEMMA2;
    const silent = parseCheckpointConfig(without(base, key));
    expect(silent).toEqual(parseCheckpointConfig({ ...base, [key]: silence(key, GEMMA2_KEYS, base) }));
    const { use } = GEMMA2_KEYS[key as keyof typeof GEMMA2_KEYS];
    if (use === 'read') expect(silent).not.toEqual(parseCheckpointConfig(base));
    else expect(silent).toEqual(parseCheckpointConfig(base));
  });

  const sectionCases = (['encoder', 'decoder'] as const).flatMap((side) =>
    Object.keys(T5GEMMA_SECTION_KEYS).map((key) => [side, key] as const),
  );
  /** Here the whole model's config.json has them and overrides the section's. */
  const overruled = ['encoder.initializer_range', 'decoder.initializer_range', 'decoder.eos_token_id'];
  it.each(sectionCases)('a t5gemma config whose %s section has no %s means its published default', (side, key) => {
    let base = T5GEMMA;
    const section = (json: Json): Json => json[side] as Json;
    // Both sides need one vocabulary and one start token.
    if (key === 'vocab_size')
      base = { ...base, [side === 'encoder' ? 'decoder' : 'encoder']: without(SECTION, 'vocab_size') };
    if (key === 'bos_token_id') base = without(base, 'bos_token_id');
    if (key === 'num_hidden_layers') base = { ...base, [side]: without(section(base), 'layer_types') };
    const given = { ...base, [side]: { ...section(base), [key]: silence(key, T5GEMMA_SECTION_KEYS, section(base)) } };
    const silent = parseCheckpointConfig({ ...base, [side]: without(section(base), key) });
    expect(silent).toEqual(parseCheckpointConfig(given));
    if (key === 'vocab_size') return expect(() => parseCheckpointConfig(base)).toThrow(/one vocabulary/);
    const { use } = T5GEMMA_SECTION_KEYS[key as keyof typeof T5GEMMA_SECTION_KEYS];
    const whole = parseCheckpointConfig(base);
    if (use === 'read' && !overruled.includes(`${side}.${key}`)) expect(silent).not.toEqual(whole);
    if (use !== 'read') expect(silent).toEqual(whole);
  });

  it.each(Object.keys(T5GEMMA_KEYS))('a t5gemma config without %s means its published default', (key) => {
    const decoder = T5GEMMA.decoder as Json;
    const following: Json = {
      encoder: {},
      decoder: {},
      initializer_range: decoder.initializer_range,
      bos_token_id: decoder.bos_token_id,
      eos_token_id: decoder.eos_token_id,
      pad_token_id: decoder.pad_token_id,
    };
    // A missing side has the published vocabulary and start token.
    const other = { encoder: 'decoder', decoder: 'encoder' }[key];
    const base = other
      ? { ...without(T5GEMMA, 'bos_token_id'), [other]: without(T5GEMMA[other] as Json, 'vocab_size', 'bos_token_id') }
      : T5GEMMA;
    const meant = key in following ? following[key] : T5GEMMA_KEYS[key as keyof typeof T5GEMMA_KEYS].default;
    const silent = parseCheckpointConfig(without(base, key));
    expect(silent).toEqual(parseCheckpointConfig({ ...base, [key]: meant }));
    const rates = ['dropout_rate', 'attention_dropout', 'classifier_dropout_rate'];
    if (['initializer_range', 'eos_token_id', 'tie_word_embeddings', ...rates].includes(key))
      expect(silent).not.toEqual(parseCheckpointConfig(base));
  });

  it('a config without any key is the 2B model', () => {
    const side = {
      layers: 26,
      hidden: 2304,
      feedForward: 9216,
      heads: 8,
      headDim: 256,
      keyValueHeads: 4,
      vocabularySize: 256_000,
      rmsNormEpsilon: 1e-6,
      block: GEMMA2_BLOCK,
      rotary: { full_attention: { theta: 10_000 }, sliding_attention: { theta: 10_000 } },
      maxPositions: 8192,
      slidingWindow: 4096,
      layerTypes: defaultLayerTypes(26),
      attentionSoftCap: 50,
      finalLogitSoftCap: 30,
      queryPreAttentionScalar: 256,
      padTokenId: 0,
      bosTokenId: 2,
      eosTokenIds: [1],
    };
    expect(parseCheckpointConfig({ model_type: 'gemma2' })).toEqual({
      kind: 'decoder-only',
      family: 'gemma2',
      decoder: side,
      initializerRange: 0.02,
    });
    expect(parseCheckpointConfig({ model_type: 't5gemma' })).toEqual({
      kind: 'encoder-decoder',
      family: 't5gemma',
      encoder: side,
      decoder: side,
      encoderWindow: 'strict',
      tieEncoderEmbedding: false,
      initializerRange: 0.02,
    });
  });
});

describe('a key that is null', () => {
  it('null means the default or none, or is refused, as in the published implementation', () => {
    for (const [key, { nullMeans }] of Object.entries(GEMMA2_KEYS) as [string, PublishedKey][]) {
      const parse = (): unknown => parseCheckpointConfig({ ...GEMMA2, [key]: null });
      if (nullMeans === 'the default') expect(parse()).toEqual(parseCheckpointConfig(without(GEMMA2, key)));
      else if (nullMeans === 'none') expect(parse()).not.toEqual(parseCheckpointConfig(without(GEMMA2, key)));
      else if (key !== 'use_cache') expect(parse).toThrow(`"${key}"`);
    }
  });

  it('null removes soft caps, the pad token and the end tokens', () => {
    const nulls = {
      attn_logit_softcapping: null,
      final_logit_softcapping: null,
      pad_token_id: null,
      eos_token_id: null,
    };
    const config = parseCheckpointConfig({ ...GEMMA2, ...nulls });
    expect(config.decoder).toMatchObject({
      attentionSoftCap: null,
      finalLogitSoftCap: null,
      padTokenId: null,
      eosTokenIds: [],
    });
    expect(parseCheckpointConfig(toCheckpointConfig(config))).toEqual(config);
  });
});

describe('precedence among keys', () => {
  it.each([
    [{ rope_theta: 55 }, 55],
    [{ rope_theta: 55, rope_parameters: { rope_theta: 66 } }, 66],
    [{ rope_theta: 55, rope_parameters: { rope_theta: 66 }, rope_scaling: { rope_theta: 77 } }, 77],
    [{ rope_parameters: { rope_theta: 66 }, rope_scaling: { type: 'default' } }, 10_000],
    [{ rope_parameters: { rope_theta: 66 }, rope_scaling: {} }, 66],
  ])('%j gives theta %d', (fields, theta) => {
    const json = { ...without(GEMMA2, 'rope_parameters'), ...fields };
    expect(parseCheckpointConfig(json).decoder.rotary.full_attention).toEqual({ theta });
  });

  it('the end tokens of the whole model override those of the decoder', () => {
    expect(parseCheckpointConfig(T5GEMMA).decoder.eosTokenIds).toEqual([9]);
    expect(parseCheckpointConfig(without(T5GEMMA, 'eos_token_id')).decoder.eosTokenIds).toEqual([7, 8]);
  });

  it('a model with different start tokens for training and generation is refused', () => {
    expect(() => parseCheckpointConfig({ ...T5GEMMA, bos_token_id: 6 })).toThrow(
      /"bos_token_id" is 6, but the decoder's is 5/,
    );
  });
});

describe('impossible sizes', () => {
  it.each([
    ['num_hidden_layers', 100_000_000],
    ['num_hidden_layers', 4e9],
    ['num_attention_heads', 1e12],
    ['hidden_size', 2 ** 40],
    ['intermediate_size', 2 ** 40],
    ['head_dim', 2 ** 30],
    ['vocab_size', 2 ** 40],
    ['max_position_embeddings', 2 ** 40],
    ['sliding_window', 2 ** 40],
  ])('%s %d is refused', (key, value) => {
    const json = without({ ...GEMMA2, [key]: value }, 'layer_types');
    expect(() => parseCheckpointConfig(json)).toThrow(`config.json: "${key}" is ${value}; Graft takes at most`);
    const encoder = without({ ...SECTION, [key]: value }, 'layer_types');
    expect(() => parseCheckpointConfig({ ...T5GEMMA, encoder })).toThrow(`config.json, encoder: "${key}" is ${value}`);
  });
});

describe('keys that Graft does not implement', () => {
  it.each([
    [{ attention_bias: true }, /"attention_bias" is true/],
    [{ hidden_activation: 'silu' }, /"hidden_activation" is "silu"/],
    [{ use_bidirectional_attention: true }, /"use_bidirectional_attention" is true/],
    [{ is_causal: false }, /"is_causal" is false/],
    [{ quantization_config: { quant_method: 'awq' } }, /"quantization_config" says that the weights are quantized/],
    [{ per_layer_config: { '0': { hidden_size: 3 } } }, /"per_layer_config" gives layers/],
    [{ rope_parameters: { full_attention: { rope_theta: 3 } } }, /"rope_parameters" gives "full_attention"/],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, /"rope_scaling" asks for rotary positions of type "linear"/],
  ])('%j is refused because it changes the arithmetic', (fields, message) => {
    expect(() => parseCheckpointConfig({ ...GEMMA2, ...fields })).toThrow(message);
  });

  it('keys that change nothing are ignored and listed', () => {
    const more = { hidden_act: 'relu', cache_implementation: 'hybrid', dtype: 'float32', encoder_window: 'strict' };
    expect(parseCheckpointConfig({ ...GEMMA2, ...more })).toEqual(parseCheckpointConfig(GEMMA2));
    expect(ignoredKeys({ ...GEMMA2, ...more })).toEqual(['hidden_act', 'cache_implementation']);
    const encoder = { ...SECTION, use_bidirectional_attention: true };
    expect(ignoredKeys({ ...T5GEMMA, encoder, rope_theta: 5, hidden_size: 8 })).toEqual([
      'hidden_size',
      'encoder.use_bidirectional_attention',
    ]);
  });
});
