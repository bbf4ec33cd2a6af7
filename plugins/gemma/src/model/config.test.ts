import { CheckpointError, type SpecialTokensSection } from '@graft/core';
import { toClassifierConfig } from '../heads/classifier-folder';
import { parseCheckpointConfig, toCheckpointConfig } from './config';
import type { EncoderDecoderConfig } from './config-types';
import { GEMMA2_BLOCK } from './block';
import { outputName } from './names';
import { parameterSpecs } from './parameters';

const side = {
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_size: 64,
  head_dim: 16,
  intermediate_size: 128,
  vocab_size: 99,
};
const gemma2 = { model_type: 'gemma2', ...side };
const t5gemma = { model_type: 't5gemma', encoder: side, decoder: { ...side, num_hidden_layers: 2 } };

describe('parseCheckpointConfig', () => {
  it('missing keys get the defaults of the published implementation', () => {
    expect(parseCheckpointConfig(gemma2)).toEqual({
      kind: 'decoder-only',
      family: 'gemma2',
      decoder: {
        layers: 3,
        hidden: 64,
        feedForward: 128,
        heads: 4,
        keyValueHeads: 2,
        headDim: 16,
        vocabularySize: 99,
        rmsNormEpsilon: 1e-6,
        block: GEMMA2_BLOCK,
        rotary: { full_attention: { theta: 10000 }, sliding_attention: { theta: 10000 } },
        maxPositions: 8192,
        slidingWindow: 4096,
        layerTypes: ['sliding_attention', 'full_attention', 'sliding_attention'],
        attentionSoftCap: 50,
        finalLogitSoftCap: 30,
        queryPreAttentionScalar: 256,
        padTokenId: 0,
        bosTokenId: 2,
        eosTokenIds: [1],
      },
      initializerRange: 0.02,
    });
  });

  it.each([
    [{ rope_theta: 5000 }, 5000],
    [{ rope_parameters: { rope_theta: 5000, rope_type: 'default' } }, 5000],
    [{ rope_parameters: { rope_theta: 7000 }, rope_theta: 5000 }, 7000],
    [{ rope_scaling: null, rope_theta: 5000 }, 5000],
  ])('theta is read from the old and the new keys: %j', (fields, theta) => {
    expect(parseCheckpointConfig({ ...gemma2, ...fields }).decoder.rotary).toEqual({
      full_attention: { theta },
      sliding_attention: { theta },
    });
  });

  it('each side is read from its own section', () => {
    const config = parseCheckpointConfig(t5gemma) as EncoderDecoderConfig;
    expect([config.encoder.layers, config.decoder.layers]).toEqual([3, 2]);
    expect([config.encoderWindow, config.tieEncoderEmbedding]).toEqual(['strict', false]);
  });

  it('null removes a soft cap', () => {
    expect(parseCheckpointConfig({ ...gemma2, attn_logit_softcapping: null }).decoder.attentionSoftCap).toBeNull();
  });

  it('untied outputs are read and written', () => {
    for (const json of [gemma2, t5gemma]) {
      const untied = parseCheckpointConfig({ ...json, tie_word_embeddings: false });
      expect(untied.untiedOutput).toBe(true);
      expect(parseCheckpointConfig(toCheckpointConfig(untied))).toEqual(untied);
      expect(parameterSpecs(untied).at(-1)).toMatchObject({ name: outputName(untied.kind), shape: [99, 64] });
      expect(parseCheckpointConfig({ ...json, tie_word_embeddings: true })).not.toHaveProperty('untiedOutput');
    }
  });

  it('dropout rates come from the top level of an encoder-decoder, and only from attention in Gemma 2', () => {
    const rates = { dropout_rate: 0.11, attention_dropout: 0.22, classifier_dropout_rate: 0.33 };
    const both = parseCheckpointConfig({ ...t5gemma, ...rates });
    expect(both.dropout).toEqual({ dropout: 0.11, attentionDropout: 0.22, classifierDropout: 0.33 });
    const written = toCheckpointConfig(both);
    expect(written).toMatchObject(rates);
    for (const section of [written.encoder, written.decoder])
      expect(section).toMatchObject({ dropout_rate: 0.11, attention_dropout: 0.22 });
    const inSections = {
      ...t5gemma,
      encoder: { ...side, dropout_rate: 0.5 },
      decoder: { ...t5gemma.decoder, attention_dropout: 1 },
    };
    expect(parseCheckpointConfig(inSections)).not.toHaveProperty('dropout');
    expect(parseCheckpointConfig({ ...gemma2, ...rates }).dropout).toEqual({
      dropout: 0,
      attentionDropout: 0.22,
      classifierDropout: 0,
    });
    for (const none of [0, null])
      expect(parseCheckpointConfig({ ...gemma2, attention_dropout: none })).not.toHaveProperty('dropout');
  });

  it('options take precedence over the checkpoint', () => {
    const declared = { ...t5gemma, encoder_window: 'inclusive' };
    expect(parseCheckpointConfig(declared)).toMatchObject({ encoderWindow: 'inclusive' });
    expect(parseCheckpointConfig(declared, { encoderWindow: 'strict' })).toMatchObject({ encoderWindow: 'strict' });
  });

  it.each([
    [{ ...gemma2, hidden_size: 'wide' }, /"hidden_size" should be an integer of at least 1, but is "wide"/],
    [{ ...gemma2, intermediate_size: null }, /"intermediate_size" should be an integer of at least 1, but is null/],
    [
      { ...gemma2, num_key_value_heads: 3 },
      /"num_key_value_heads" is 3, which does not divide "num_attention_heads" 4/,
    ],
    [{ ...gemma2, head_dim: 15 }, /"head_dim" is 15/],
    [{ ...gemma2, num_hidden_layers: 1e8 }, /"num_hidden_layers" is 100000000; Graft takes at most 4096/],
    [{ ...gemma2, num_hidden_layers: -0 }, /"num_hidden_layers" should be an integer of at least 1/],
    [{ ...gemma2, vocab_size: 2 ** 40 }, /"vocab_size" is 1099511627776; Graft takes at most/],
    [{ ...gemma2, rms_norm_eps: 1e308 }, /"rms_norm_eps" is 1e\+308; Graft takes at most 1/],
    [{ ...gemma2, rms_norm_eps: 'NaN' }, /"rms_norm_eps" should be a positive number, but is "NaN"/],
    [{ ...gemma2, initializer_range: 1e9 }, /"initializer_range" is 1000000000; Graft takes at most 1000/],
    [{ ...gemma2, query_pre_attn_scalar: 1e300 }, /"query_pre_attn_scalar" is 1e\+300; Graft takes at most/],
    [{ ...gemma2, final_logit_softcapping: 1e300 }, /"final_logit_softcapping" is 1e\+300; Graft takes at most/],
    [{ ...gemma2, rope_theta: 1e300 }, /"rope_theta" is 1e\+300; Graft takes at most/],
    [{ ...gemma2, hidden_size: [64] }, /"hidden_size" should be an integer of at least 1, but is \[64\]/],
    [
      { ...gemma2, eos_token_id: Array.from({ length: 1e6 }, () => 1) },
      /"eos_token_id" lists 1000000 tokens; Graft takes at most 1024/,
    ],
    [
      { ...gemma2, layer_types: Array.from({ length: 1e6 }, () => 'full_attention') },
      /"layer_types" should list 3 layers, .{0,160}…/,
    ],
    [{ ...gemma2, layer_types: ['full_attention'] }, /"layer_types" should list 3 layers/],
    [{ ...gemma2, layer_types: ['full_attention', 'full_attention', 'chunked'] }, /not "chunked"/],
    [{ ...gemma2, rope_parameters: { rope_type: 'yarn' } }, /"yarn"/],
    [{ ...gemma2, rope_theta: -1 }, /"rope_theta".*-1/],
    [{ ...gemma2, attention_bias: true }, /"attention_bias" is true/],
    [{ ...gemma2, pad_token_id: 99 }, /"pad_token_id" is 99, but "vocab_size" is 99/],
    [{ ...gemma2, model_type: 'bert' }, /"model_type" should be "gemma2".* or ".*", but is "bert"/],
    [{ model_type: 't5gemma', encoder: side, decoder: 2 }, /"decoder" should be an object/],
    [{ ...t5gemma, encoder: { ...side, hidden_size: 0 } }, /config\.json, encoder: "hidden_size"/],
    [{ ...t5gemma, encoder: { ...side, vocab_size: 98 } }, /98 tokens, the decoder's 99/],
    [{ ...gemma2, attention_dropout: 1 }, /"attention_dropout" should be a rate in \[0, 1\), but is 1/],
    [{ ...t5gemma, dropout_rate: -0.1 }, /"dropout_rate" should be a rate in \[0, 1\), but is -0.1/],
    [{ ...t5gemma, classifier_dropout_rate: '0.1' }, /"classifier_dropout_rate" should be a rate.*"0.1"/],
    [
      { ...t5gemma, encoder_window: 'wide' },
      /"encoder_window" should be "strict", "inclusive", "halved" or "symmetric", but is "wide"/,
    ],
    [
      { ...t5gemma, encoder_attention: 'left' },
      /"encoder_attention" should be "bidirectional" or "causal", but is "left"/,
    ],
  ])('the error for case %# names the wrong field', (config, message) => {
    expect(() => parseCheckpointConfig(config)).toThrow(CheckpointError);
    expect(() => parseCheckpointConfig(config)).toThrow(message);
  });
});

describe('toCheckpointConfig', () => {
  it.each([
    gemma2,
    t5gemma,
    { ...t5gemma, encoder_window: 'inclusive', tie_encoder_embedding: true },
    { ...t5gemma, encoder_attention: 'causal' },
    { ...t5gemma, dropout_rate: 0.1 },
  ])('case %# is read back as it was written', (json) => {
    const config = parseCheckpointConfig({ ...json, eos_token_id: [1, 107], rope_theta: 777 });
    expect(parseCheckpointConfig(toCheckpointConfig(config))).toEqual(config);
  });
});

describe('the special-token policy in config.json', () => {
  const written = (config: Record<string, unknown>, asked?: SpecialTokensSection): unknown =>
    toCheckpointConfig(parseCheckpointConfig(config, { specialTokens: asked })).special_token_policy;
  const decoder = { bos: false, eos: 'auto' };

  it('the policy is kept when the config is written again, and absent if none was set', () => {
    expect(written(gemma2)).toBeUndefined();
    expect(written(t5gemma)).toBeUndefined();
    expect(written({ ...gemma2, special_token_policy: { decoder } })).toEqual({ decoder });
    const both = { encoder: { bos: true, eos: true }, decoder: { eos: false }, teacher: { bos: true } };
    expect(written({ ...t5gemma, special_token_policy: both })).toEqual(both);
    expect(
      toClassifierConfig({
        model: parseCheckpointConfig({ ...t5gemma, special_token_policy: both }) as EncoderDecoderConfig,
        ...{ task: 'sequence', reads: 'decoder', labels: ['a', 'b'] },
      }).special_token_policy,
    ).toEqual(both);
  });

  it('the requested policy overrides the saved one', () => {
    expect(written({ ...gemma2, special_token_policy: { decoder } }, { bos: true })).toEqual({
      decoder: { bos: true, eos: 'auto' },
    });
  });

  it('the error for a malformed policy names its key', () => {
    expect(() => parseCheckpointConfig({ ...gemma2, special_token_policy: 'yes' }, {}, 'DIR/config.json')).toThrow(
      /^DIR\/config\.json: "special_token_policy": expected object, got "yes"\.$/,
    );
  });
});
