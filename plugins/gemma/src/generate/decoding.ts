/**
 * Decoding one token at a time with a key/value cache. Shapes as in layers.ts; P prompt length; capacity: the prompt
 * and all tokens processed after it.
 */
import type { BatchTensors, Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { CacheFiller, CacheStep, type Cache } from './decoder-cache';
import {
  attend,
  attendParts,
  embed,
  padSlots,
  queryScale,
  ropeTables,
  transposedKeys,
  type RopeTables,
} from '../model/layers';
import type { SideConfig } from '../model/config-types';
import { decoderMasks, paddingMask } from '../model/masks';
import type { GemmaModel } from '../model/model';
import {
  keysAndValuesOf,
  queriesOf,
  runLayers,
  wholeSequenceAttention,
  type CrossInputs,
  type KeysAndValues,
  type LayerAttention,
} from '../model/stack';

/**
 * The state that is constant from token to token: cross-attention's keys and values [B, K, S, C], and the source's mask
 * [B, 1, 1, 1, S]. If this is faster to read, keys are transposed, [B, K, C, S]; then S is padded with zeros, except in
 * the mask.
 */
export type FixedState = Readonly<Record<string, tf.Tensor>>;

export interface DecodingStart {
  /** Final rows [B, D], from which the model's head computes the logits of the first token after the prompt. */
  readonly states: tf.Tensor;
  readonly fixed: FixedState;
  readonly cache: Cache;
}

const SOURCE_MASK = 'sourceMask';
const keysName = (layer: number): string => `cross_attn.${layer}.keys`;
const transposedKeysName = (layer: number): string => `cross_attn.${layer}.transposedKeys`;
const valuesName = (layer: number): string => `cross_attn.${layer}.values`;

/** Keeps a layer's cross-attention in `fixed`. */
function keepCross(
  fixed: Record<string, tf.Tensor>,
  side: SideConfig,
  layer: number,
  { keys, values }: KeysAndValues,
): void {
  const transposed = transposedKeys(side, keys);
  if (!transposed) {
    fixed[keysName(layer)] = keys;
    fixed[valuesName(layer)] = values;
    return;
  }
  const [batch, , slots] = keys.shape as [number, number, number];
  const filled = transposed.shape[3]!;
  fixed[transposedKeysName(layer)] = transposed;
  fixed[valuesName(layer)] = padSlots(values, 2, filled);
  // Shows how many slots count.
  if (filled !== slots) fixed[SOURCE_MASK] ??= tf.zeros([batch, 1, 1, 1, slots]);
}

/** Cross-attention of queries [B, 1, H, C] with the state from `keepCross`: rows [B, H*C]. */
function attendKept(side: SideConfig, queries: tf.Tensor, fixed: FixedState, layer: number): tf.Tensor {
  const transposed = fixed[transposedKeysName(layer)] as tf.Tensor | undefined;
  const values = fixed[valuesName(layer)];
  const mask = fixed[SOURCE_MASK] as tf.Tensor | undefined;
  return transposed
    ? attendParts(side, queries, [{ keys: transposed, transposed: true, values, mask }])
    : attend(side, queries, fixed[keysName(layer)], values, mask);
}

/**
 * Reads the source (encoder-decoder) and the prompt. `prompt` int32 [B, P]; `promptMask` [B, P] has zeros at left
 * padding; `source` has input_ids and attention_mask. Traceable.
 */
export function startDecoding(
  model: GemmaModel,
  parameters: Parameters,
  prompt: tf.Tensor,
  promptMask: tf.Tensor | undefined,
  source: BatchTensors | undefined,
  capacity: number,
): DecodingStart {
  const { decoder } = model.config;
  const [batch, length] = prompt.shape as [number, number];
  const fixed: Record<string, tf.Tensor> = {};
  const filler = new CacheFiller(decoder, capacity);
  let cross: CrossInputs | undefined;
  if (source) {
    const states = model.encode(parameters, source);
    cross = {
      states: tf.reshape(states, [-1, states.shape[2]]),
      mask: source.attention_mask && paddingMask(source.attention_mask),
    };
    if (cross.mask) fixed[SOURCE_MASK] = cross.mask;
  }
  if (promptMask) filler.addMask(paddingMask(promptMask));
  const masks = decoderMasks(length, decoder.slidingWindow, { attention: promptMask });
  const attention = wholeSequenceAttention(decoder, batch, length, masks, cross, (name, layer, made) => {
    if (name === 'cross_attn') keepCross(fixed, decoder, layer, made);
    else filler.add(layer, made);
  });
  const embedded = embed(parameters[model.inputTable], tf.reshape(prompt, [-1]), model.specialTokens.pad);
  const states = runLayers(parameters, decoder, model.decoderNames, embedded, attention); // [B*P, D]
  const last = tf.slice(
    tf.reshape(states, [batch, length, decoder.hidden]),
    [0, length - 1, 0],
    [batch, 1, decoder.hidden],
  );
  return { states: tf.reshape(last, [batch, decoder.hidden]), fixed, cache: filler.finish() };
}

/**
 * Processes one token of each row, int32 [B], at `position` (int32 scalar, the same for all rows, below `capacity`);
 * returns the final rows [B, D] for the next one and the cache's recent part with the new slot filled. Traceable; one
 * trace works for every position.
 */
export function continueDecoding(
  model: GemmaModel,
  parameters: Parameters,
  tokens: tf.Tensor,
  position: tf.Tensor,
  fixed: FixedState,
  cache: Cache,
  capacity: number,
): { states: tf.Tensor; recent: Cache['recent'] } {
  const { kind } = model;
  const { decoder } = model.config;
  const batch = tokens.shape[0]!;
  const here = tf.reshape(position, [1]) as tf.Tensor1D;
  const rotation = (scale: number): RopeTables => {
    const { cos, sin } = ropeTables(capacity, decoder.headDim, decoder.ropeTheta, scale);
    return { cos: tf.gather(cos, here), sin: tf.gather(sin, here) }; // [1, 1, C]
  };
  const [keyRotation, queryRotation] = [rotation(1), rotation(queryScale(decoder))];
  const step = new CacheStep(decoder, cache, position);
  const attention: LayerAttention = {
    self(layer, weights, rows) {
      const made = keysAndValuesOf(decoder, batch, weights, 'self_attn', rows, keyRotation); // [B, K, 1, C]
      const queries = queriesOf(decoder, batch, weights, 'self_attn', rows, queryRotation);
      return attendParts(decoder, queries, step.append(layer, made));
    },
    cross:
      kind === 'encoder-decoder'
        ? (layer, weights, rows) =>
            attendKept(decoder, queriesOf(decoder, batch, weights, 'cross_attn', rows), fixed, layer)
        : undefined,
  };
  const embedded = embed(parameters[model.inputTable], tokens, model.specialTokens.pad); // [B, D]
  const states = runLayers(parameters, decoder, model.decoderNames, embedded, attention);
  return { states, recent: step.recent };
}
