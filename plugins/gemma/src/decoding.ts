/**
 * Decoding one token at a time with a key/value cache. Shapes as in layers.ts; P prompt length, L capacity of the cache
 * (the prompt and all tokens fed after it).
 */
import type { BatchTensors, Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { attend, embed, queryScale, ropeTables, type RopeTables } from './layers';
import { decoderMasks, paddingMask, UNSEEN, type SideMasks } from './masks';
import type { GemmaModel } from './model';
import {
  keysAndValuesOf,
  queriesOf,
  runLayers,
  wholeSequenceAttention,
  type CrossInputs,
  type LayerAttention,
} from './stack';

/** What stays the same from token to token: cross-attention's keys and values [B, K, S, C], masks. */
export type FixedState = Readonly<Record<string, tf.Tensor>>;
/** Self-attention's keys and values [B, K, L, C] of every layer; places not yet reached hold zeros. */
export type Cache = Readonly<Record<string, tf.Tensor>>;

export interface DecodingStart {
  /** [B, V], for the first token after the prompt. */
  readonly logits: tf.Tensor2D;
  readonly fixed: FixedState;
  readonly cache: Cache;
}

const SOURCE_MASK = 'sourceMask';
const PROMPT_MASK = 'promptMask';
const keysName = (name: string, layer: number): string => `${name}.${layer}.keys`;
const valuesName = (name: string, layer: number): string => `${name}.${layer}.values`;

/**
 * Reads the source (encoder-decoder) and the prompt. `prompt` int32 [B, P]; `promptMask` [B, P] has zeros at left
 * padding; `source` holds input_ids and attention_mask. Traceable.
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
  const cache: Record<string, tf.Tensor> = {};
  let cross: CrossInputs | undefined;
  if (source) {
    const states = model.encode(parameters, source);
    cross = {
      states: tf.reshape(states, [-1, states.shape[2]]),
      mask: source.attention_mask && paddingMask(source.attention_mask),
    };
    if (cross.mask) fixed[SOURCE_MASK] = cross.mask;
  }
  // What follows the prompt is no padding.
  if (promptMask)
    fixed[PROMPT_MASK] = tf.pad(paddingMask(promptMask), [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
      [0, capacity - length],
    ]); // [B, 1, 1, 1, L]
  const masks = decoderMasks(length, decoder.slidingWindow, promptMask);
  const attention = wholeSequenceAttention(decoder, batch, length, masks, cross, (name, layer, { keys, values }) => {
    if (name === 'cross_attn') {
      fixed[keysName(name, layer)] = keys;
      fixed[valuesName(name, layer)] = values;
    } else {
      const room: [number, number][] = [
        [0, 0],
        [0, 0],
        [0, capacity - length],
        [0, 0],
      ];
      cache[keysName(name, layer)] = tf.pad(keys, room);
      cache[valuesName(name, layer)] = tf.pad(values, room);
    }
  });
  const embedded = embed(parameters[model.outputTable], tf.reshape(prompt, [-1]), model.specialTokens.pad);
  const states = runLayers(parameters, decoder, model.decoderNames, embedded, attention); // [B*P, D]
  const last = tf.slice(
    tf.reshape(states, [batch, length, decoder.hidden]),
    [0, length - 1, 0],
    [batch, 1, decoder.hidden],
  );
  return { logits: model.logits(parameters, tf.reshape(last, [batch, decoder.hidden])), fixed, cache };
}

/** Masks [B or 1, 1, 1, 1, L] of a query at `position` (int32 scalar) over the cache. */
function cacheMasks(
  position: tf.Tensor,
  capacity: number,
  window: number,
  promptMask: tf.Tensor | undefined,
): SideMasks {
  const places = tf.range(0, capacity, 1, 'int32');
  const hide = (hidden: tf.Tensor): tf.Tensor => {
    const mask = tf.reshape(tf.mul(hidden.toFloat(), UNSEEN), [1, 1, 1, 1, capacity]);
    return promptMask ? tf.minimum(mask, promptMask) : mask;
  };
  const later = tf.greater(places, position);
  const full = hide(later);
  const tooEarly = (): tf.Tensor => tf.lessEqual(places, tf.sub(position, tf.scalar(window, 'int32')));
  return { full_attention: full, sliding_attention: window < capacity ? hide(tf.logicalOr(later, tooEarly())) : full };
}

/**
 * Feeds one token of each row, int32 [B], at `position` (int32 scalar, the same for all rows); returns the logits [B, V]
 * for the next one and the cache with the new place filled. Traceable; one trace serves every position.
 */
export function continueDecoding(
  model: GemmaModel,
  parameters: Parameters,
  tokens: tf.Tensor,
  position: tf.Tensor,
  fixed: FixedState,
  cache: Cache,
): { logits: tf.Tensor2D; cache: Cache } {
  const { kind } = model;
  const { decoder } = model.config;
  const batch = tokens.shape[0]!;
  const capacity = cache[keysName('self_attn', 0)].shape[2]!;
  const here = tf.reshape(position, [1]) as tf.Tensor1D;
  const rotation = (scale: number): RopeTables => {
    const { cos, sin } = ropeTables(capacity, decoder.headDim, decoder.ropeTheta, scale);
    return { cos: tf.gather(cos, here), sin: tf.gather(sin, here) }; // [1, 1, C]
  };
  const [keyRotation, queryRotation] = [rotation(1), rotation(queryScale(decoder))];
  const place = tf.reshape(tf.equal(tf.range(0, capacity, 1, 'int32'), position).toFloat(), [1, 1, capacity, 1]);
  const masks = cacheMasks(position, capacity, decoder.slidingWindow, fixed[PROMPT_MASK]);
  const filled: Record<string, tf.Tensor> = {};
  // The place holds zeros, so that adding is writing.
  const write = (name: string, made: tf.Tensor): tf.Tensor => (filled[name] = tf.add(cache[name], tf.mul(made, place)));
  const attention: LayerAttention = {
    self(layer, weights, rows) {
      const made = keysAndValuesOf(decoder, batch, weights, 'self_attn', rows, keyRotation); // [B, K, 1, C]
      const keys = write(keysName('self_attn', layer), made.keys);
      const values = write(valuesName('self_attn', layer), made.values);
      const queries = queriesOf(decoder, batch, weights, 'self_attn', rows, queryRotation);
      return attend(decoder, queries, keys, values, masks[decoder.layerTypes[layer]]);
    },
    cross:
      kind === 'encoder-decoder'
        ? (layer, weights, rows) =>
            attend(
              decoder,
              queriesOf(decoder, batch, weights, 'cross_attn', rows),
              fixed[keysName('cross_attn', layer)],
              fixed[valuesName('cross_attn', layer)],
              fixed[SOURCE_MASK],
            )
        : undefined,
  };
  const embedded = embed(parameters[model.outputTable], tokens, model.specialTokens.pad); // [B, D]
  const states = runLayers(parameters, decoder, model.decoderNames, embedded, attention);
  return { logits: model.logits(parameters, states), cache: filled };
}
