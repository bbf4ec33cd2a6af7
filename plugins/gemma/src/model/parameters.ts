import type { ModelPart, ParameterSpec } from '@graft/core';
import { familyOf } from '../families';
import { ATTENTION_PROJECTIONS, FEED_FORWARD_PROJECTIONS, type Projection } from './block';
import type { AnyGemmaConfig, SideConfig } from './config-types';
import { outputName, type SideNames } from './names';

/** Shapes: [out, in] for projections, D hidden, F feed-forward, V vocabulary. */
type Row = readonly [suffix: string, shape: readonly number[], initial: ParameterSpec['initial'], linear?: true];

/** The projections `prefix.NAME`, and the biases that the block has. */
function projectionRows(
  prefix: string,
  { block }: SideConfig,
  names: readonly Projection[],
  shapes: Readonly<Partial<Record<Projection, readonly [number, number]>>>,
): Row[] {
  return names.flatMap((name): Row[] => {
    const [out, into] = shapes[name]!;
    return [
      [`${prefix}.${name}.weight`, [out, into], 'normal', true],
      ...(block.biases.includes(name) ? [[`${prefix}.${name}.bias`, [out], 'zeros'] as const] : []),
    ];
  });
}

/** A fresh norm has gain 1. */
const normRow = (name: string, { block }: SideConfig, width: number): Row => [
  `${name}.weight`,
  [width],
  block.normGain === 'weight' ? 'ones' : 'zeros',
];

/** `keyValueWidth`: width of the states that keys and values are computed from (the encoder's, for cross-attention). */
function attentionRows(prefix: string, side: SideConfig, keyValueWidth: number): Row[] {
  const queries = side.heads * side.headDim;
  const keys = side.keyValueHeads * side.headDim;
  return [
    ...projectionRows(prefix, side, ATTENTION_PROJECTIONS, {
      q_proj: [queries, side.hidden],
      k_proj: [keys, keyValueWidth],
      v_proj: [keys, keyValueWidth],
      o_proj: [side.hidden, queries],
    }),
    ...(side.block.queryKeyNorms
      ? ['q_norm', 'k_norm'].map((name) => normRow(`${prefix}.${name}`, side, side.headDim))
      : []),
  ];
}

function feedForwardRows(side: SideConfig): Row[] {
  return projectionRows('mlp', side, FEED_FORWARD_PROJECTIONS, {
    gate_proj: [side.feedForward, side.hidden],
    up_proj: [side.feedForward, side.hidden],
    down_proj: [side.hidden, side.feedForward],
  });
}

/** The norms around sub-layers, those in front and behind alternating. */
function subLayerNorms({ block: { norms } }: SideConfig, pairs: readonly (readonly [string, string])[]): string[] {
  return pairs.flatMap(([pre, post]) => [...(norms === 'post' ? [] : [pre]), ...(norms === 'pre' ? [] : [post])]);
}

function specs(prefix: string, rows: readonly Row[], part: ModelPart): ParameterSpec[] {
  return rows.map(([suffix, shape, initial, linear]) => ({
    name: `${prefix}.${suffix}`,
    shape,
    initial,
    part: suffix.includes('cross_attn') ? 'cross-attention' : part,
    ...(linear && { linear }),
  }));
}

/** One side's parameters except its embedding. `sourceWidth`: of the states that separate cross-attention reads. */
function sideSpecs(side: SideConfig, names: SideNames, part: ModelPart, sourceWidth?: number): ParameterSpec[] {
  const around = [
    [names.preSelf, names.postSelf],
    [names.preFeedForward, names.postFeedForward],
    ...(sourceWidth === undefined ? [] : [['pre_cross_attn_layernorm', 'post_cross_attn_layernorm'] as const]),
  ] as const;
  const layer = (l: number): ParameterSpec[] =>
    specs(
      `${names.prefix}.layers.${l}`,
      [
        ...attentionRows('self_attn', side, side.hidden),
        ...(sourceWidth === undefined ? [] : attentionRows('cross_attn', side, sourceWidth)),
        ...feedForwardRows(side),
        ...subLayerNorms(side, around as readonly (readonly [string, string])[]).map((name) =>
          normRow(name, side, side.hidden),
        ),
      ],
      part,
    );
  return [...range(side.layers).flatMap(layer), ...specs(names.prefix, [normRow('norm', side, side.hidden)], part)];
}

/** Every parameter of the model, layer by layer; the output projection only if it is not the decoder's embedding. */
export function parameterSpecs(config: AnyGemmaConfig): ParameterSpec[] {
  const { names } = familyOf(config);
  const embedding = (name: string, side: SideConfig): ParameterSpec => ({
    name,
    shape: [side.vocabularySize, side.hidden],
    part: 'embedding',
    initial: 'normal',
  });
  if (config.kind === 'encoder-only')
    return [embedding(names.encoderTable, config.encoder), ...sideSpecs(config.encoder, names.encoder, 'encoder')];
  const { decoder } = config;
  const output = config.untiedOutput ? [embedding(outputName(config.kind), decoder)] : [];
  if (config.kind === 'decoder-only')
    return [embedding(names.decoderTable, decoder), ...sideSpecs(decoder, names.decoder, 'decoder'), ...output];
  const { encoder } = config;
  const extra: ParameterSpec[] =
    config.endOfImageToken === undefined
      ? []
      : [{ name: names.endOfImage!, shape: [decoder.hidden], part: 'embedding', initial: 'zeros' }];
  const crossWidth = decoder.block.crossAttention === 'separate' ? encoder.hidden : undefined;
  return [
    ...(config.tieEncoderEmbedding ? [] : [embedding(names.encoderTable, encoder)]),
    ...sideSpecs(encoder, names.encoder, 'encoder'),
    embedding(names.decoderTable, decoder),
    ...extra,
    ...sideSpecs(decoder, names.decoder, 'decoder', crossWidth),
    ...output,
  ];
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
