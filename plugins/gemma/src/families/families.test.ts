import { CheckpointError, countParameters } from '@graft/core';
import { parseCheckpointConfig, readModelConfig, toCheckpointConfig } from '../model/config';
import type { AnyGemmaConfig, EncoderDecoderConfig } from '../model/config-types';
import { modelOptions } from '../model/model-options';
import { parameterSpecs } from '../model/parameters';
import { resolveAnyConfig } from '../model/resolve-options';
import { parameterSummary } from '../cost/summary';
import { gemmaOf } from '../model/encoder-model';
import { FAMILIES, FAMILY_IDS } from '.';

const resolve = (options: object): AnyGemmaConfig => resolveAnyConfig(modelOptions.parse(options));
const total = (options: object): number => countParameters({ parameters: parameterSpecs(resolve(options)) });

const sizes = {
  num_hidden_layers: 7,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_size: 40,
  head_dim: 16,
  intermediate_size: 44,
  vocab_size: 300,
};
const gemma3 = { model_type: 'gemma3_text', ...sizes };
const llama = { model_type: 'llama', ...sizes };
const qwen3 = { model_type: 'qwen3', bos_token_id: 2, ...sizes };
const t5gemma2 = { model_type: 't5gemma2', encoder: { text_config: sizes, eoi_token_index: 298 }, decoder: sizes };

describe('the sizes of published models', () => {
  it.each([
    ['gemma-3-270m', 268_098_176],
    ['gemma-3-1b', 999_885_952],
    ['gemma-3-4b', 3_880_099_328],
    ['t5gemma-2-270m-270m', 368_424_832],
    ['t5gemma-2-1b-1b', 1_697_783_168],
    ['t5gemma-2-4b-4b', 7_089_112_576],
    ['smollm2-135m', 134_515_008],
    ['llama-3.2-1b', 1_235_814_400],
    ['qwen3-0.6b', 596_049_920],
  ])('%s has %d parameters', (preset, parameters) => {
    expect(total({ preset })).toBe(parameters);
  });

  it.each([
    ['t5gemma-2-270m-270m', 100_326_016, 167_772_160],
    ['t5gemma-2-1b-1b', 697_896_064, 301_989_888],
    ['t5gemma-2-4b-4b', 3_209_010_688, 671_088_640],
  ])('each stack of %s has %d parameters, and its one table %d', (preset, stack, table) => {
    const model = gemmaOf(resolve({ preset }));
    const { encoder, decoder, embedding } = parameterSummary(model);
    const { hidden } = (model.config as EncoderDecoderConfig).decoder;
    expect([encoder, decoder, embedding]).toEqual([stack, stack, table + hidden]);
  });
});

describe('config.json of every family', () => {
  it.each([gemma3, llama, qwen3, t5gemma2, { ...gemma3, use_bidirectional_attention: true }])(
    'case %# is read back as it was written',
    (json) => {
      const config = readModelConfig(json);
      expect(readModelConfig(toCheckpointConfig(config))).toEqual(config);
    },
  );

  it.each([
    ['gemma3', { ropeTheta: 5e5, slidingRopeTheta: 2e4, ropeScaling: { type: 'linear', factor: 4 } }],
    ['llama', { ropeTheta: 5e5, ropeScaling: { type: 'linear', factor: 4 } }],
    ['qwen3', { layerTypes: ['full_attention', 'sliding_attention'], slidingWindow: 9 }],
    ['t5gemma2', { finalLogitSoftCap: 20, ropeScaling: { type: 'linear', factor: 8 } }],
  ])('a %s made of options is read back as it was written', (family, side) => {
    const decoder = { layers: 2, hidden: 32, feedForward: 48, heads: 4, headDim: 8, ...side };
    const config = resolve({ family, vocabularySize: 300, bosTokenId: 2, eosTokenId: 1, decoder });
    expect(config).toMatchObject({ family });
    expect(readModelConfig(toCheckpointConfig(config))).toEqual(config);
  });

  it('both dialects of Gemma 3 give the same positions and layers', () => {
    const older = {
      rope_theta: 2e6,
      rope_local_base_freq: 2e4,
      rope_scaling: { rope_type: 'linear', factor: 8 },
      sliding_window_pattern: 3,
    };
    const newer = {
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 2e6 },
        sliding_attention: { rope_theta: 2e4 },
      },
      layer_types: ['s', 's', 'f', 's', 's', 'f', 's'].map((type) => `${type === 'f' ? 'full' : 'sliding'}_attention`),
    };
    expect(readModelConfig({ ...gemma3, ...older })).toEqual(readModelConfig({ ...gemma3, ...newer }));
  });

  it('silence means the published thetas and every sixth layer full, and the older `type` is honoured', () => {
    const { decoder } = parseCheckpointConfig(gemma3);
    expect(decoder.rotary).toEqual({ full_attention: { theta: 1e6 }, sliding_attention: { theta: 1e4 } });
    expect(decoder.layerTypes.map((type) => type[0]).join('')).toBe('sssssfs');
    const scaled = parseCheckpointConfig({ ...gemma3, rope_scaling: { type: 'linear', factor: 8 } }).decoder;
    expect(scaled.rotary.full_attention).toEqual({ theta: 1e6, scaling: { type: 'linear', factor: 8 } });
    expect(parseCheckpointConfig({ ...gemma3, _sliding_window_pattern: 3 }).decoder).toEqual(decoder);
    expect(parseCheckpointConfig({ ...gemma3, attn_logit_softcapping: 50 }).decoder.attentionSoftCap).toBeNull();
  });

  it('a folder that reads images, too, is read by its text section and the end tokens of the whole', () => {
    const whole = { model_type: 'gemma3', text_config: sizes, vision_config: {}, eos_token_id: [1, 106] };
    expect(readModelConfig(whole)).toEqual(readModelConfig({ ...gemma3, eos_token_id: [1, 106] }));
  });

  it('a window of Qwen 3 counts only where it is switched on, behind the first layers', () => {
    const typesOf = (json: object): string =>
      parseCheckpointConfig({ ...qwen3, ...json })
        .decoder.layerTypes.map((type) => type[0])
        .join('');
    expect(typesOf({ sliding_window: 5, max_window_layers: 1 })).toBe('fffffff');
    expect(typesOf({ sliding_window: 5, max_window_layers: 1, use_sliding_window: true })).toBe('fssssss');
  });

  it('the end-of-image token of the encoder section counts, and what concerns images is kept', () => {
    const vision = { vision_config: { model_type: 'siglip_vision_model' }, mm_tokens_per_image: 4 };
    const json = {
      ...t5gemma2,
      encoder: { ...t5gemma2.encoder, ...vision, eoi_token_index: 7 },
      eoi_token_index: 9,
      image_token_index: 10,
    };
    const config = readModelConfig(json);
    expect(config).toMatchObject({ endOfImageToken: 7, encoderWindow: 'halved' });
    expect(toCheckpointConfig(config)).toMatchObject({ encoder: vision, image_token_index: 10, eoi_token_index: 7 });
  });

  it.each([
    [{ ...gemma3, rope_parameters: { rope_theta: 5 } }, /has "rope_theta"; it should have a section for/],
    [
      { ...gemma3, rope_scaling: { rope_type: 'linear' } },
      /"rope_scaling\.factor" should be a positive number, but is missing/,
    ],
    [{ ...gemma3, use_bidirectional_attention: 'all' }, /"use_bidirectional_attention" should be true or false/],
    [{ ...gemma3, attention_bias: true }, /"attention_bias" is true/],
    [{ ...gemma3, sliding_window_pattern: 0 }, /"sliding_window_pattern" should be an integer of at least 1/],
    [{ model_type: 'gemma3', text_config: 3 }, /"text_config" should be an object/],
    [{ ...llama, hidden_act: 'gelu' }, /"hidden_act" is "gelu"; Graft's models have "silu" alone/],
    [{ ...llama, rope_scaling: { rope_type: 'yarn', factor: 2 } }, /"yarn"; Graft knows "default", "linear", "llama3"/],
    [
      { ...llama, rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 1 } },
      /"high_freq_factor" 1, which should be above "low_freq_factor" 4/,
    ],
    [{ ...llama, rope_interleaved: true }, /"rope_interleaved" is true/],
    [{ ...llama, partial_rotary_factor: 0.5 }, /rotates a part of each head/],
    [{ ...qwen3, bos_token_id: null }, /"bos_token_id" is null/],
    [{ ...qwen3, layer_types: Array(7).fill('sliding_attention') }, /has sliding layers, but "use_sliding_window"/],
    [{ ...t5gemma2, is_encoder_decoder: false }, /"is_encoder_decoder" is false/],
    [{ ...t5gemma2, tie_word_embeddings: false }, /"tie_word_embeddings" is false/],
    [{ ...t5gemma2, decoder: { ...sizes, hidden_size: 48 } }, /cannot share one embedding table/],
    [{ ...t5gemma2, decoder: { ...sizes, vocab_size: 301 } }, /one vocabulary/],
    [{ ...t5gemma2, encoder: { text_config: 3 } }, /config\.json, encoder: "text_config" should be an object/],
  ])('the error for case %# names the wrong field', (json, message) => {
    expect(() => readModelConfig(json)).toThrow(CheckpointError);
    expect(() => readModelConfig(json)).toThrow(message);
  });
});

describe('the option family', () => {
  it('a kind that a family does not have is refused with those that have it', () => {
    const decoder = { layers: 2, hidden: 32, feedForward: 48, heads: 4, headDim: 8 };
    expect(() => resolve({ family: 'llama', kind: 'encoder-decoder', decoder })).toThrow(
      'model.kind is encoder-decoder, but models of the family llama are decoder-only.',
    );
    expect(() => resolve({ family: 't5gemma2', decoder, tieEncoderEmbedding: false })).toThrow(
      /have one embedding table/,
    );
    expect(() => resolveAnyConfig(modelOptions.parse({ family: 'gemma3' }), llama)).toThrow(
      "The model should be of the family gemma3, but the checkpoint's is llama.",
    );
  });

  it('every family has its own model types', () => {
    const types = FAMILIES.flatMap(({ modelTypes }) => modelTypes);
    expect(new Set(types).size).toBe(types.length);
    expect(new Set(FAMILY_IDS).size).toBe(FAMILIES.length);
  });
});
