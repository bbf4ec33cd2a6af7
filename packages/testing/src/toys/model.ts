/** Shapes: B batch, S source length, T target length, V vocabulary, W width. */
import {
  createRandom,
  type BatchTensors,
  type Initializer,
  type Model,
  type ModelFamily,
  type ModelKind,
  type ModelSettings,
  type ParameterSpec,
  type Parameters,
  type RandomStream,
} from '@graft/core';
import { tf } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import { TOY_VOCABULARY } from './tokenizer';

/** Options of `toyModel`. */
export interface ToyModelOptions {
  /** Default `encoder-decoder`. */
  readonly kind?: ModelKind;
  /** Tokens. Default: those of `TOY_VOCABULARY`. */
  readonly vocabularySize?: number;
  /** Default 8. */
  readonly width?: number;
}

/** Mean of the states so far at each position, counting those that `mask` [B, L, 1] has: [B, L, W]. */
function runningMean(states: tf.Tensor3D, mask: tf.Tensor3D): tf.Tensor3D {
  const length = states.shape[1];
  const places = tf.range(0, length, 1, 'int32');
  const before = tf.lessEqual(tf.expandDims(places, 0), tf.expandDims(places, 1)).toFloat(); // [L, L]
  const weights = tf.mul(before, tf.transpose(mask, [0, 2, 1])) as tf.Tensor3D; // [B, L, L]
  return tf.div(tf.matMul(weights, states), tf.maximum(tf.sum(weights, 2, true), 1));
}

/** [B, L, 1], float32: 1 where a position counts. */
function maskOf(ids: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor3D {
  return tf.expandDims((mask ?? tf.onesLike(ids)).toFloat(), 2);
}

function times(states: tf.Tensor3D, weight: tf.Tensor): tf.Tensor3D {
  const [rows, length, width] = states.shape;
  const product = tf.matMul(tf.reshape(states, [rows * length, width]), weight as tf.Tensor2D);
  return tf.reshape(product, [rows, length, weight.shape[1]!]);
}

/**
 * The smallest model that has all that components ask of one: embeddings, means in place of attention, an output layer. It
 * respects masks and is causal. Parameters are small, and a few steps of training lower its loss.
 */
export function toyModel(
  { kind = 'encoder-decoder', vocabularySize = TOY_VOCABULARY.length, width = 8 }: ToyModelOptions = {},
  settings: ModelSettings = {},
): Model {
  const weight = (name: string, part: ParameterSpec['part']): ParameterSpec => ({
    name,
    shape: [width, width],
    part,
    initial: 'normal',
  });
  const encodes = kind !== 'decoder-only';
  const decodes = kind !== 'encoder-only';

  const encode = (parameters: Parameters, fields: BatchTensors): tf.Tensor3D => {
    const states = tf.gather(parameters.embedding, fields.input_ids) as tf.Tensor3D;
    return tf.tanh(times(states, parameters['encoder.weight'])); // [B, S, W]
  };

  /** [B, T, W]; `source`: the encoder's states and their mask. */
  const decode = (
    parameters: Parameters,
    ids: tf.Tensor,
    mask: tf.Tensor | undefined,
    source?: { states: tf.Tensor3D; mask: tf.Tensor3D },
  ): tf.Tensor3D => {
    const states = tf.gather(parameters.embedding, ids) as tf.Tensor3D;
    const mixed = times(tf.add(states, runningMean(states, maskOf(ids, mask))), parameters['decoder.weight']);
    if (!source) return tf.tanh(mixed);
    const count = tf.maximum(tf.sum(source.mask, 1, true), 1);
    const mean: tf.Tensor3D = tf.div(tf.sum(tf.mul(source.states, source.mask), 1, true), count); // [B, 1, W]
    return tf.tanh(tf.add(mixed, times(mean, parameters['cross.weight'])));
  };

  const finalStates = (
    parameters: Parameters,
    fields: BatchTensors,
  ): { states: tf.Tensor3D; encoderStates?: tf.Tensor3D } => {
    if (kind === 'decoder-only') return { states: decode(parameters, fields.input_ids, fields.attention_mask) };
    const encoderStates = encode(parameters, fields);
    if (!decodes) return { states: encoderStates, encoderStates };
    const mask = maskOf(fields.input_ids, fields.attention_mask);
    const states = decode(parameters, fields.decoder_input_ids, fields.decoder_attention_mask, {
      states: encoderStates,
      mask,
    });
    return { states, encoderStates };
  };

  const rowLogits = (parameters: Parameters, rows: tf.Tensor): tf.Tensor2D =>
    tf.add(tf.matMul(rows as tf.Tensor2D, parameters.embedding as tf.Tensor2D, false, true), parameters['head.bias']);

  return {
    kind,
    vocabularySize,
    specialTokens: { pad: 0, start: 2, eos: [1], policy: settings.specialTokens },
    generationConfig: settings.generationConfig,
    parameters: [
      { name: 'embedding', shape: [vocabularySize, width], part: 'embedding', initial: 'normal' },
      ...(encodes ? [weight('encoder.weight', 'encoder')] : []),
      ...(decodes ? [weight('decoder.weight', 'decoder')] : []),
      ...(encodes && decodes ? [weight('cross.weight', 'cross-attention')] : []),
      ...(decodes
        ? [{ name: 'head.bias', shape: [vocabularySize], part: 'head' as const, initial: 'zeros' as const }]
        : []),
    ],
    checkpointConfig: { model_type: 'toy', kind, vocab_size: vocabularySize, hidden_size: width },
    forward: (parameters, fields) => {
      const { states, encoderStates } = finalStates(parameters, fields);
      const [rows, length] = states.shape;
      return {
        get logits(): tf.Tensor3D {
          if (!decodes) throw new Error('An encoder has no logits.');
          const flat = rowLogits(parameters, tf.reshape(states, [rows * length, width]));
          return tf.reshape(flat, [rows, length, vocabularySize]);
        },
        encoderStates,
      };
    },
    head: decodes
      ? {
          parameters: ['embedding', 'head.bias'],
          rows: (parameters, fields) => tf.reshape(finalStates(parameters, fields).states, [-1, width]),
          logits: rowLogits,
        }
      : undefined,
    representation: {
      width,
      parameters: ['embedding', encodes ? 'encoder.weight' : 'decoder.weight'],
      states: (parameters, fields) =>
        encodes ? encode(parameters, fields) : decode(parameters, fields.input_ids, fields.attention_mask),
    },
  };
}

/** The family of `toyModel`: a checkpoint's config overrides the options. */
export function toyFamily(options: ToyModelOptions = {}): ModelFamily {
  return {
    build: (checkpointConfig = {}, settings) => {
      const { kind, vocab_size, hidden_size } = checkpointConfig as {
        kind?: ModelKind;
        vocab_size?: number;
        hidden_size?: number;
      };
      return toyModel(
        {
          kind: kind ?? options.kind,
          vocabularySize: vocab_size ?? options.vocabularySize,
          width: hidden_size ?? options.width,
        },
        settings,
      );
    },
  };
}

/** Random parameters of any model, all float32. The caller disposes them. Those that begin as zeros are random too. */
export function randomParameters(model: Pick<Model, 'parameters'>, seed = 1, standardDeviation = 0.2): Parameters {
  const random = createRandom(seed);
  return Object.fromEntries(
    model.parameters.map(({ name, shape }) => {
      const values = new Float32Array(elementCount(shape));
      random.fork(name).fillNormal(values, standardDeviation);
      return [name, tf.tensor(values, [...shape], 'float32')];
    }),
  );
}

/** Random weights, and zeros where the model declares zeros. */
export function toyInitializer(standardDeviation = 0.2): Initializer {
  return {
    checkpointConfig: async () => undefined,
    async *parameters(model: Model, random: RandomStream) {
      for (const { name, shape, initial } of model.parameters) {
        const values = new Float32Array(elementCount(shape));
        if (initial === 'normal') random.fork(name).fillNormal(values, standardDeviation);
        yield [name, tf.tensor(values, [...shape], 'float32')];
      }
    },
  };
}
