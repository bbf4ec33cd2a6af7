import type { ModelPart, ParameterSpec } from '@graft/core';
import type { AnyGemmaConfig, SideConfig } from './config-types';

/**
 * Tensor names of the published checkpoints. Shapes: [out, in] for projections, D hidden, F feed-forward, V vocabulary.
 */
export const DECODER_EMBEDDING = 'model.decoder.embed_tokens.weight';
export const ENCODER_EMBEDDING = 'model.encoder.embed_tokens.weight';
export const DECODER_ONLY_EMBEDDING = 'model.embed_tokens.weight';

/** The output projection, if it is not tied to the (decoder's) embedding. */
export const outputName = (kind: AnyGemmaConfig['kind']): string =>
  kind === 'decoder-only' ? 'lm_head.weight' : 'lm_head.out_proj.weight';

/** Some writers store the output projection even if it is tied. */
export const TIED_OUTPUT_NAMES: readonly string[] = [outputName('encoder-decoder'), outputName('decoder-only')];

type Row = readonly [suffix: string, shape: readonly number[], initial: ParameterSpec['initial']];

/** `keyValueWidth`: width of the states that keys and values are computed from (the encoder's, for cross-attention). */
function attentionRows(prefix: string, side: SideConfig, keyValueWidth: number): Row[] {
  const queries = side.heads * side.headDim;
  const keys = side.keyValueHeads * side.headDim;
  return [
    [`${prefix}.q_proj.weight`, [queries, side.hidden], 'normal'],
    [`${prefix}.k_proj.weight`, [keys, keyValueWidth], 'normal'],
    [`${prefix}.v_proj.weight`, [keys, keyValueWidth], 'normal'],
    [`${prefix}.o_proj.weight`, [side.hidden, queries], 'normal'],
  ];
}

function feedForwardRows(side: SideConfig): Row[] {
  return [
    ['mlp.gate_proj.weight', [side.feedForward, side.hidden], 'normal'],
    ['mlp.up_proj.weight', [side.feedForward, side.hidden], 'normal'],
    ['mlp.down_proj.weight', [side.hidden, side.feedForward], 'normal'],
  ];
}

const normRow = (name: string, side: SideConfig): Row => [`${name}.weight`, [side.hidden], 'zeros'];

function specs(prefix: string, rows: readonly Row[], part: ModelPart): ParameterSpec[] {
  return rows.map(([suffix, shape, initial]) => ({
    name: `${prefix}.${suffix}`,
    shape,
    initial,
    part: suffix.includes('cross_attn') ? 'cross-attention' : part,
  }));
}

/** Norms of a layer in an encoder-decoder, for either side. */
const SIDE_NORMS = [
  'pre_self_attn_layernorm',
  'post_self_attn_layernorm',
  'pre_feedforward_layernorm',
  'post_feedforward_layernorm',
];

/** An encoder's parameters except its embedding. */
function encoderSpecs(encoder: SideConfig): ParameterSpec[] {
  const layer = (l: number): ParameterSpec[] =>
    specs(
      `model.encoder.layers.${l}`,
      [
        ...attentionRows('self_attn', encoder, encoder.hidden),
        ...feedForwardRows(encoder),
        ...SIDE_NORMS.map((name) => normRow(name, encoder)),
      ],
      'encoder',
    );
  return [...range(encoder.layers).flatMap(layer), ...specs('model.encoder', [normRow('norm', encoder)], 'encoder')];
}

/** Every parameter of the model, layer by layer; the output projection only if it is not the decoder's embedding. */
export function parameterSpecs(config: AnyGemmaConfig): ParameterSpec[] {
  const embedding = (name: string, side: SideConfig): ParameterSpec => ({
    name,
    shape: [side.vocabularySize, side.hidden],
    part: 'embedding',
    initial: 'normal',
  });
  if (config.kind === 'encoder-only')
    return [embedding(ENCODER_EMBEDDING, config.encoder), ...encoderSpecs(config.encoder)];
  const { decoder } = config;
  const output = config.untiedOutput ? [embedding(outputName(config.kind), decoder)] : [];
  if (config.kind === 'decoder-only') {
    const layer = (l: number): ParameterSpec[] =>
      specs(
        `model.layers.${l}`,
        [
          ...attentionRows('self_attn', decoder, decoder.hidden),
          ...feedForwardRows(decoder),
          ...[
            'input_layernorm',
            'post_attention_layernorm',
            'pre_feedforward_layernorm',
            'post_feedforward_layernorm',
          ].map((name) => normRow(name, decoder)),
        ],
        'decoder',
      );
    return [
      embedding(DECODER_ONLY_EMBEDDING, decoder),
      ...range(decoder.layers).flatMap(layer),
      ...specs('model', [normRow('norm', decoder)], 'decoder'),
      ...output,
    ];
  }
  const { encoder } = config;
  const decoderLayer = (l: number): ParameterSpec[] =>
    specs(
      `model.decoder.layers.${l}`,
      [
        ...attentionRows('self_attn', decoder, decoder.hidden),
        ...attentionRows('cross_attn', decoder, encoder.hidden),
        ...feedForwardRows(decoder),
        ...[...SIDE_NORMS, 'pre_cross_attn_layernorm', 'post_cross_attn_layernorm'].map((name) =>
          normRow(name, decoder),
        ),
      ],
      'decoder',
    );
  return [
    ...(config.tieEncoderEmbedding ? [] : [embedding(ENCODER_EMBEDDING, encoder)]),
    ...encoderSpecs(encoder),
    embedding(DECODER_EMBEDDING, decoder),
    ...range(decoder.layers).flatMap(decoderLayer),
    ...specs('model.decoder', [normRow('norm', decoder)], 'decoder'),
    ...output,
  ];
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
