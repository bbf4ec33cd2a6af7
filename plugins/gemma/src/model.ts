/** Shapes as in layers.ts: B batch, T target length, S source length, D hidden width, V vocabulary. */
import { DataError, type BatchTensors, type Model, type ModelOutputs, type ParameterSpec, type Parameters, type SpecialTokens } from '@graft/core';
import { tf } from '@graft/engine';
import { toCheckpointConfig, type GemmaConfig, type SideConfig } from './config';
import { attend, embed, gatedGelu, linear, rmsNorm, rope, ropeTables, softCap, splitHeads } from './layers';
import { decoderMasks, encoderMasks, paddingMask, type SideMasks } from './masks';
import { DECODER_EMBEDDING, DECODER_ONLY_EMBEDDING, ENCODER_EMBEDDING, parameterSpecs } from './parameters';

/** Names that differ between the decoder-only checkpoints and the two sides of an encoder-decoder. */
export interface SideNames {
  readonly prefix: string;
  readonly preSelf: string;
  readonly postSelf: string;
}

export const DECODER_ONLY_NAMES: SideNames = { prefix: 'model', preSelf: 'input_layernorm', postSelf: 'post_attention_layernorm' };
export const ENCODER_NAMES: SideNames = { prefix: 'model.encoder', preSelf: 'pre_self_attn_layernorm', postSelf: 'post_self_attn_layernorm' };
export const DECODER_NAMES: SideNames = { ...ENCODER_NAMES, prefix: 'model.decoder' };

interface CrossInputs {
  states: tf.Tensor;
  mask: tf.Tensor | undefined;
}

/** x + postNorm(sublayer(preNorm(x))): every sub-layer of Gemma 2 is wrapped in two norms. */
export function residual(
  x: tf.Tensor,
  parameters: Parameters,
  layer: string,
  norms: readonly [pre: string, post: string],
  epsilon: number,
  sublayer: (normed: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  const normed = rmsNorm(x, parameters[`${layer}.${norms[0]}.weight`], epsilon);
  return tf.add(x, rmsNorm(sublayer(normed), parameters[`${layer}.${norms[1]}.weight`], epsilon));
}

export function feedForward(parameters: Parameters, layer: string, x: tf.Tensor): tf.Tensor {
  const gate = linear(x, parameters[`${layer}.mlp.gate_proj.weight`]); // [B, T, F]
  const up = linear(x, parameters[`${layer}.mlp.up_proj.weight`]);
  return linear(gatedGelu(gate, up), parameters[`${layer}.mlp.down_proj.weight`]);
}

/** Runs one side's layers and final norm over embedded tokens x [B, T, D]. */
function runStack(
  parameters: Parameters,
  side: SideConfig,
  names: SideNames,
  embedded: tf.Tensor,
  masks: SideMasks,
  cross?: CrossInputs,
): tf.Tensor {
  const length = embedded.shape[1]!;
  const tables = ropeTables(length, side.headDim, side.ropeTheta);
  const epsilon = side.rmsNormEpsilon;
  let x = embedded;
  for (let l = 0; l < side.layers; l++) {
    const layer = `${names.prefix}.layers.${l}`;
    const weight = (name: string): tf.Tensor => parameters[`${layer}.${name}.weight`];
    x = residual(x, parameters, layer, [names.preSelf, names.postSelf], epsilon, (h) => {
      const q = rope(splitHeads(linear(h, weight('self_attn.q_proj')), side.heads), tables);
      const k = rope(splitHeads(linear(h, weight('self_attn.k_proj')), side.keyValueHeads), tables);
      const v = splitHeads(linear(h, weight('self_attn.v_proj')), side.keyValueHeads);
      return linear(attend(side, q, k, v, masks[side.layerTypes[l]]), weight('self_attn.o_proj'));
    });
    if (cross) {
      // No rotary positions, no window; soft cap and scale are the decoder's (paper, section 3; quirk 2).
      x = residual(x, parameters, layer, ['pre_cross_attn_layernorm', 'post_cross_attn_layernorm'], epsilon, (h) => {
        const q = splitHeads(linear(h, weight('cross_attn.q_proj')), side.heads);
        const k = splitHeads(linear(cross.states, weight('cross_attn.k_proj')), side.keyValueHeads);
        const v = splitHeads(linear(cross.states, weight('cross_attn.v_proj')), side.keyValueHeads);
        return linear(attend(side, q, k, v, cross.mask), weight('cross_attn.o_proj'));
      });
    }
    x = residual(x, parameters, layer, ['pre_feedforward_layernorm', 'post_feedforward_layernorm'], epsilon, (h) =>
      feedForward(parameters, layer, h),
    );
  }
  return rmsNorm(x, parameters[`${names.prefix}.norm.weight`], epsilon);
}

function field(fields: BatchTensors, name: string): tf.Tensor {
  const tensor = fields[name];
  if (!tensor) throw new DataError(`The model needs the batch field "${name}"; it was given ${Object.keys(fields).join(', ') || 'none'}.`, { code: 'gemma.field' });
  return tensor;
}

/** Gemma 2, decoder-only or grafted into an encoder-decoder. */
export class GemmaModel implements Model {
  readonly kind: Model['kind'];
  readonly vocabularySize: number;
  readonly specialTokens: SpecialTokens;
  readonly parameters: readonly ParameterSpec[];

  constructor(readonly config: GemmaConfig) {
    this.kind = config.kind;
    this.vocabularySize = config.decoder.vocabularySize;
    const { padTokenId, bosTokenId, eosTokenIds } = config.decoder;
    this.specialTokens = { pad: padTokenId, start: bosTokenId, eos: eosTokenIds };
    this.parameters = parameterSpecs(config);
  }

  get checkpointConfig(): Record<string, unknown> {
    return toCheckpointConfig(this.config);
  }

  /** The table that embeds the decoder's tokens and, transposed, makes the logits. */
  get outputTable(): string {
    return this.config.kind === 'decoder-only' ? DECODER_ONLY_EMBEDDING : DECODER_EMBEDDING;
  }

  forward(parameters: Parameters, fields: BatchTensors): ModelOutputs {
    const { config } = this;
    const { decoder } = config;
    if (config.kind === 'decoder-only') {
      const ids = field(fields, 'input_ids');
      const x = embed(parameters[DECODER_ONLY_EMBEDDING], ids, decoder.padTokenId);
      const masks = decoderMasks(ids.shape[1]!, decoder.slidingWindow, fields.attention_mask);
      return { logits: this.logits(parameters, runStack(parameters, decoder, DECODER_ONLY_NAMES, x, masks)) };
    }
    const sourceIds = field(fields, 'input_ids');
    const targetIds = field(fields, 'decoder_input_ids');
    const { source, target } = this.embedBoth(parameters, sourceIds, targetIds);
    const encoderStates = this.encodeEmbedded(parameters, source, fields.attention_mask);
    const masks = decoderMasks(targetIds.shape[1]!, decoder.slidingWindow, fields.decoder_attention_mask);
    const cross = { states: encoderStates, mask: fields.attention_mask && paddingMask(fields.attention_mask) };
    const states = runStack(parameters, decoder, DECODER_NAMES, target, masks, cross);
    return { logits: this.logits(parameters, states), encoderStates: encoderStates as tf.Tensor3D };
  }

  /** Encoder states [B, S, D] of an encoder-decoder; for classification, embeddings and generation. */
  encode(parameters: Parameters, fields: BatchTensors): tf.Tensor3D {
    if (this.config.kind !== 'encoder-decoder') throw new DataError('A decoder-only model has no encoder.', { code: 'gemma.no-encoder' });
    const ids = field(fields, 'input_ids');
    const table = parameters[this.config.tieEncoderEmbedding ? DECODER_EMBEDDING : ENCODER_EMBEDDING];
    const embedded = embed(table, ids, this.config.encoder.padTokenId);
    return this.encodeEmbedded(parameters, embedded, fields.attention_mask) as tf.Tensor3D;
  }

  /** states [B, T, D] to soft-capped logits [B, T, V]. */
  logits(parameters: Parameters, states: tf.Tensor): tf.Tensor3D {
    return softCap(linear(states, parameters[this.outputTable]), this.config.decoder.finalLogitSoftCap) as tf.Tensor3D;
  }

  private encodeEmbedded(parameters: Parameters, embedded: tf.Tensor, attentionMask: tf.Tensor | undefined): tf.Tensor {
    if (this.config.kind !== 'encoder-decoder') throw new TypeError('unreachable');
    const { encoder, encoderWindow } = this.config;
    const masks = encoderMasks(embedded.shape[1]!, encoder.slidingWindow, encoderWindow, attentionMask);
    return runStack(parameters, encoder, ENCODER_NAMES, embedded, masks);
  }

  private embedBoth(parameters: Parameters, sourceIds: tf.Tensor, targetIds: tf.Tensor): { source: tf.Tensor; target: tf.Tensor } {
    if (this.config.kind !== 'encoder-decoder') throw new TypeError('unreachable');
    const { encoder, decoder, tieEncoderEmbedding } = this.config;
    const table = parameters[DECODER_EMBEDDING];
    if (!tieEncoderEmbedding) {
      return {
        source: embed(parameters[ENCODER_EMBEDDING], sourceIds, encoder.padTokenId),
        target: embed(table, targetIds, decoder.padTokenId),
      };
    }
    // One look-up for both sides: its gradient is one pass over the table instead of two.
    const sourceCount = sourceIds.size;
    const ids = tf.concat([sourceIds.flatten(), targetIds.flatten()]);
    const rows = embed(table, ids, decoder.padTokenId); // [B*S + B*T, D]
    const [source, target] = tf.split(rows, [sourceCount, targetIds.size], 0);
    return {
      source: source.reshape([...sourceIds.shape, decoder.hidden]),
      target: target.reshape([...targetIds.shape, decoder.hidden]),
    };
  }
}
