/** Shapes as in layers.ts; V vocabulary. */
import type {
  BatchTensors,
  Decoding,
  Model,
  ModelOutputs,
  ModelSettings,
  Parameters,
  ParameterSpec,
  Representation,
  SpecialTokens,
} from '@graft/core';
import { tf } from '@graft/engine';
import { toStoredConfig, type PrenormConfig } from './config';
import { prenormDecoding } from './decoding';
import {
  attend,
  causalMask,
  embed,
  feedForward,
  keysAndValues,
  layerNorm,
  logitsOf,
  paddingMask,
  positionsOf,
} from './layers';
import { parameterSpecs } from './parameters';

/** An encoder-decoder with the norm before each sub-layer. It owns no tensors. */
export class PrenormModel implements Model {
  readonly kind = 'encoder-decoder';
  readonly vocabularySize: number;
  readonly specialTokens: SpecialTokens;
  readonly parameters: readonly ParameterSpec[];
  readonly checkpointConfig: Record<string, unknown>;
  readonly generationConfig?: Record<string, unknown>;
  readonly decoding: Decoding;
  readonly representation: Representation;

  constructor(
    private readonly config: PrenormConfig,
    { specialTokens: policy, generationConfig }: ModelSettings = {},
  ) {
    this.vocabularySize = config.vocabularySize;
    this.specialTokens = { ...config.tokens, policy };
    this.generationConfig = generationConfig;
    this.parameters = parameterSpecs(config);
    this.checkpointConfig = toStoredConfig(config);
    this.decoding = prenormDecoding(config, (parameters, source) => this.encode(parameters, source));
    this.representation = {
      width: config.width,
      parameters: this.parameters
        .filter(({ part }) => part === 'encoder' || part === 'embedding')
        .map(({ name }) => name),
      states: (parameters, fields) => this.encode(parameters, fields),
    };
  }

  forward(parameters: Parameters, fields: BatchTensors): ModelOutputs {
    const { heads } = this.config;
    const { decoder_input_ids: ids, decoder_attention_mask: mask } = fields;
    const encoderStates = this.encode(parameters, fields);
    const sourceMask = fields.attention_mask && paddingMask(fields.attention_mask);
    const length = ids.shape[1]!;
    const causal = causalMask(length);
    const selfMask = mask ? tf.add(causal, paddingMask(mask)) : causal;
    let rows = embed(parameters, ids, positionsOf(ids, mask));
    for (let block = 0; block < this.config.layers; block++) {
      const self = `dec.${block}.self`;
      const normed = layerNorm(parameters, `${self}.norm`, rows);
      rows = tf.add(rows, attend(parameters, self, normed, keysAndValues(parameters, self, normed, heads), selfMask));
      const cross = `dec.${block}.cross`;
      const source = keysAndValues(parameters, cross, encoderStates, heads);
      const asking = layerNorm(parameters, `${cross}.norm`, rows);
      rows = tf.add(rows, attend(parameters, cross, asking, source, sourceMask));
      rows = feedForward(parameters, `dec.${block}.mlp`, rows);
    }
    const logits = logitsOf(parameters, layerNorm(parameters, 'dec.norm', rows));
    return { logits: logits as tf.Tensor3D, encoderStates };
  }

  /** [B, S, D] after the final norm. */
  private encode(parameters: Parameters, { input_ids: ids, attention_mask: mask }: BatchTensors): tf.Tensor3D {
    const { heads, layers } = this.config;
    const hidden = mask && paddingMask(mask);
    let rows = embed(parameters, ids, positionsOf(ids, mask));
    for (let block = 0; block < layers; block++) {
      const name = `enc.${block}.self`;
      const normed = layerNorm(parameters, `${name}.norm`, rows);
      rows = tf.add(rows, attend(parameters, name, normed, keysAndValues(parameters, name, normed, heads), hidden));
      rows = feedForward(parameters, `enc.${block}.mlp`, rows);
    }
    return layerNorm(parameters, 'enc.norm', rows) as tf.Tensor3D;
  }
}
