/**
 * Decoding one token at a time with a key/value cache. Shapes as in layers.ts; P prompt length; capacity: the prompt
 * and all tokens processed after it.
 */
import type { BatchTensors, Decoding, DecodingStart, DecodingState, Model, Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { cacheBytes, CacheFiller, CacheStep, foldCache, RECENT_TOKENS, type Cache } from './decoder-cache';
import { attend, attendParts, padSlots, queryScale, transposedKeys, type StoredPart } from '../model/layers';
import type { GemmaConfig, LayerType, SideConfig } from '../model/config-types';
import { whole } from '../model/attention';
import { embedTokens, type EmbeddingSource } from '../model/embedding';
import { decoderSpans, mergedMasks, paddingMask, sideMasks } from '../model/masks';
import type { SideNames } from '../model/names';
import {
  behindPadding,
  layersMask,
  placedBefore,
  preservedMasks,
  statesMask,
  type EncodedLayers,
  type PreservedSource,
  type Progress,
} from '../model/preserving';
import { ropeTables, type RopeTables } from '../model/rotary';
import {
  keysAndValuesOf,
  queriesOf,
  rotationsOf,
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
export type FixedState = DecodingState;

/** What decoding needs of a GemmaModel. */
export interface DecodableGemma extends Pick<Model, 'kind' | 'specialTokens'> {
  readonly config: GemmaConfig;
  readonly decoderEmbedding: EmbeddingSource;
  readonly decoderNames: SideNames;
  readonly progress?: Progress;
  encodeLayers(parameters: Parameters, fields: BatchTensors): EncodedLayers;
  logits(parameters: Parameters, states: tf.Tensor): tf.Tensor2D;
  uncappedLogits(parameters: Parameters, states: tf.Tensor): tf.Tensor2D;
}

/** The functions of this file, and those of the cache, as core's generation calls them. */
export function gemmaDecoding(model: DecodableGemma): Decoding {
  return {
    encode: (parameters, source) => encodeSource(model, parameters, source),
    prefill: (parameters, { ids, mask }, encoded, capacity) =>
      startDecoding(model, parameters, ids, mask, encoded, capacity),
    step: (parameters, { tokens, position, fixed, cache, capacity }) =>
      continueDecoding(model, parameters, tokens, position, fixed, cache, capacity),
    logits: (parameters, states) => model.logits(parameters, states),
    // Greedy decoding saves a pass over the logits.
    ranking: (parameters, states) => model.uncappedLogits(parameters, states),
    folding: { every: RECENT_TOKENS, fold: foldCache },
    cacheBytes: (rows, capacity) => cacheBytes(model.config.decoder, rows, capacity),
  };
}

const SOURCE_MASK = 'sourceMask';
/** In the function-preserving forms: [B, S], see `behindPadding`. */
const DISTANCES = 'sourceDistances';

/** What a layer reads of the source: by cross-attention or merged attention, or of the encoder's layer. */
type Kept = 'cross_attn' | 'encoder_layer';
const keysName = (layer: number, of: Kept = 'cross_attn'): string => `${of}.${layer}.keys`;
const transposedKeysName = (layer: number, of: Kept = 'cross_attn'): string => `${of}.${layer}.transposedKeys`;
const valuesName = (layer: number, of: Kept = 'cross_attn'): string => `${of}.${layer}.values`;

/** Keeps what a layer reads of the source in `fixed`. */
function keepCross(
  fixed: Record<string, tf.Tensor>,
  side: SideConfig,
  layer: number,
  { keys, values }: KeysAndValues,
  of: Kept = 'cross_attn',
): void {
  const transposed = transposedKeys(side, keys);
  if (!transposed) {
    fixed[keysName(layer, of)] = keys;
    fixed[valuesName(layer, of)] = values;
    return;
  }
  const [batch, , slots] = keys.shape as [number, number, number];
  const filled = transposed.shape[3]!;
  fixed[transposedKeysName(layer, of)] = transposed;
  fixed[valuesName(layer, of)] = padSlots(values, 2, filled);
  // Shows how many slots count.
  if (filled !== slots) fixed[SOURCE_MASK] ??= tf.zeros([batch, 1, 1, 1, slots]);
}

/** The source's part of merged attention, from the state of `keepCross`. */
function keptPart(fixed: FixedState, layer: number, of: Kept = 'cross_attn'): StoredPart {
  const transposed = fixed[transposedKeysName(layer, of)] as tf.Tensor | undefined;
  const mask = fixed[SOURCE_MASK] as tf.Tensor | undefined;
  const keys = transposed ?? fixed[keysName(layer, of)];
  return { keys, transposed: transposed !== undefined, values: fixed[valuesName(layer, of)], mask };
}

/** What a token at `position` reads of its source in the function-preserving forms. */
function preservedParts(
  side: SideConfig,
  progress: Progress,
  fixed: FixedState,
  position: tf.Tensor,
): (layer: number) => StoredPart[] {
  const distances = fixed[DISTANCES];
  const mask = fixed[SOURCE_MASK] as tf.Tensor | undefined;
  const ofType = (type: LayerType): tf.Tensor | undefined =>
    layersMask(side, type, { distances, progress }, position, mask);
  const masks = { full_attention: ofType('full_attention'), sliding_attention: ofType('sliding_attention') };
  const ofStates = progress === 0 ? undefined : statesMask(progress, distances.shape[1]!, mask);
  return (layer) => [
    { ...keptPart(fixed, layer, 'encoder_layer'), mask: masks[side.layerTypes[layer]] },
    ...(ofStates ? [{ ...keptPart(fixed, layer), mask: ofStates }] : []),
  ];
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
 * The encoder's states [B, S, E] and the source's mask [B, 1, 1, 1, S], if it has one; in the function-preserving forms
 * also what the decoder reads of its layers. Traceable.
 */
export function encodeSource(model: DecodableGemma, parameters: Parameters, source: BatchTensors): DecodingState {
  const { states, layers = [], distances } = model.encodeLayers(parameters, source);
  return {
    states,
    ...(source.attention_mask && { mask: paddingMask(source.attention_mask) }),
    ...(distances && { distances }),
    ...Object.fromEntries(
      layers.flatMap(({ keys, values }, layer) => [
        [keysName(layer, 'encoder_layer'), keys],
        [valuesName(layer, 'encoder_layer'), values],
      ]),
    ),
  };
}

/** What `encodeSource` keeps of the encoder's layers, placed before a prompt. */
function preservedSource(
  { config, progress }: DecodableGemma,
  encoded: DecodingState,
  promptMask: tf.Tensor | undefined,
  capacity: number,
): PreservedSource | undefined {
  if (progress === undefined || config.kind !== 'encoder-decoder') return undefined;
  const { encoder } = config;
  const distances = behindPadding(encoded.distances, promptMask);
  const layers = Array.from({ length: encoder.layers }, (_, layer) => ({
    keys: encoded[keysName(layer, 'encoder_layer')],
    values: encoded[valuesName(layer, 'encoder_layer')],
  }));
  return { ofLayers: placedBefore(encoder, layers, distances, capacity), distances, progress };
}

/**
 * Reads the prompt. `prompt` int32 [B, P]; `promptMask` [B, P] has zeros at left
 * padding; `source` has input_ids and attention_mask. Traceable.
 */
export function startDecoding(
  model: DecodableGemma,
  parameters: Parameters,
  prompt: tf.Tensor,
  promptMask: tf.Tensor | undefined,
  encoded: DecodingState | undefined,
  capacity: number,
): DecodingStart {
  const { decoder } = model.config;
  const [batch, length] = prompt.shape as [number, number];
  const fixed: Record<string, tf.Tensor> = {};
  const filler = new CacheFiller(decoder, capacity);
  const merged = decoder.block.crossAttention === 'merged';
  let cross: CrossInputs | undefined;
  let source: { mask?: tf.Tensor; length: number } | undefined;
  const preserved = encoded && preservedSource(model, encoded, promptMask, capacity);
  if (encoded) {
    const { states, mask } = encoded as { readonly states: tf.Tensor; readonly mask?: tf.Tensor };
    cross = {
      states: tf.reshape(states, [-1, states.shape[2]!]),
      ...(merged ? {} : { attending: whole(mask) }),
      ...(preserved && { ofLayers: preserved.ofLayers, readsStates: preserved.progress !== 0 }),
    };
    source = { mask, length: states.shape[1]! };
    if (mask) fixed[SOURCE_MASK] = mask;
  }
  if (promptMask) filler.addMask(paddingMask(promptMask));
  const own = sideMasks(decoderSpans(length, decoder.slidingWindow), length, { attention: promptMask });
  const masks = preserved
    ? preservedMasks(decoder, own, length, preserved, source?.mask)
    : merged && source
      ? mergedMasks(own, length, source)
      : own;
  if (preserved) {
    fixed[DISTANCES] = preserved.distances;
    preserved.ofLayers.forEach((made, layer) => keepCross(fixed, decoder, layer, made, 'encoder_layer'));
  }
  const attending = {
    full_attention: whole(masks.full_attention),
    sliding_attention: whole(masks.sliding_attention),
  };
  const attention = wholeSequenceAttention(decoder, batch, length, attending, cross, (name, layer, made) => {
    if (name === 'cross_attn') keepCross(fixed, decoder, layer, made);
    else filler.add(layer, made);
  });
  const embedded = embedTokens(parameters, decoder, model.decoderEmbedding, tf.reshape(prompt, [-1]));
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
  model: DecodableGemma,
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
  const rotations = rotationsOf(decoder, (positions) => {
    const rotation = (scale: number): RopeTables => {
      const { cos, sin } = ropeTables(capacity, decoder.headDim, positions, scale);
      return { cos: tf.gather(cos, here), sin: tf.gather(sin, here) }; // [1, 1, C]
    };
    return { keys: rotation(1), queries: rotation(queryScale(decoder)) };
  });
  const hasSource = kind === 'encoder-decoder';
  const merged = hasSource && decoder.block.crossAttention === 'merged';
  const { progress } = model;
  const ofSource =
    hasSource && progress !== undefined
      ? preservedParts(decoder, progress, fixed, here)
      : (layer: number): StoredPart[] => (merged ? [keptPart(fixed, layer)] : []);
  const step = new CacheStep(decoder, cache, position);
  const attention: LayerAttention = {
    self(layer, weights, rows) {
      const rotation = rotations[decoder.layerTypes[layer]];
      const made = keysAndValuesOf(decoder, batch, weights, 'self_attn', rows, rotation.keys); // [B, K, 1, C]
      const queries = queriesOf(decoder, batch, weights, 'self_attn', rows, rotation.queries);
      const parts = step.append(layer, made);
      return attendParts(decoder, queries, [...parts, ...ofSource(layer)]);
    },
    cross:
      hasSource && !merged
        ? (layer, weights, rows) =>
            attendKept(decoder, queriesOf(decoder, batch, weights, 'cross_attn', rows), fixed, layer)
        : undefined,
  };
  const embedded = embedTokens(parameters, decoder, model.decoderEmbedding, tokens); // [B, D]
  const states = runLayers(parameters, decoder, model.decoderNames, embedded, attention);
  return { states, recent: step.recent };
}
