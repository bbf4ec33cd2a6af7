/** Shapes: B rows, L tokens of a row, V vocabulary, W width. */
import { defineComponent, PluginError, type Model, type ModelFamily, type ModelSettings } from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';

/** A decoder-only bigram model: the next token depends only on the last one, through a layer of `width` units. */
export const myPluginOptions = z.strictObject({
  vocabularySize: z.int().positive().default(260).describe('number of tokens'),
  width: z.int().positive().default(32).describe('units of the layer'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

export function createMyPluginModel({ vocabularySize, width }: MyPluginOptions, settings: ModelSettings = {}): Model {
  return {
    kind: 'decoder-only',
    vocabularySize,
    specialTokens: { pad: 0, start: 2, eos: [1], policy: settings.specialTokens },
    generationConfig: settings.generationConfig,
    parameters: [
      { name: 'embedding', shape: [vocabularySize, width], part: 'embedding', initial: 'normal' },
      { name: 'output', shape: [width, vocabularySize], part: 'head', initial: 'normal' },
    ],
    // `build` understands what it has written.
    checkpointConfig: { model_type: 'my-plugin', vocab_size: vocabularySize, hidden_size: width },
    // Compiled: pure tf code, which never reads a value. Without attention, masks change nothing.
    forward: (parameters, { input_ids: ids }) => {
      const [rows, length] = ids.shape;
      const states = tf.tanh(tf.gather(parameters.embedding, tf.reshape(ids, [-1]).toInt())); // [B L, W]
      const logits = tf.matMul(states as tf.Tensor2D, parameters.output as tf.Tensor2D); // [B L, V]
      return { logits: tf.reshape(logits, [rows, length!, vocabularySize]) };
    },
  };
}

const checkpointSchema = z.looseObject({ vocab_size: z.int().positive(), hidden_size: z.int().positive() });

export function createMyPlugin(options: MyPluginOptions): ModelFamily {
  return {
    build: (checkpointConfig, settings) => {
      if (!checkpointConfig) return createMyPluginModel(options, settings);
      const parsed = checkpointSchema.safeParse(checkpointConfig);
      if (!parsed.success) {
        throw new PluginError('config.json lacks vocab_size or hidden_size, which my-plugin reads.', {
          code: 'my-plugin.config',
          exitCode: 2,
        });
      }
      const { vocab_size: vocabularySize, hidden_size: width } = parsed.data;
      return createMyPluginModel({ ...options, vocabularySize, width }, settings);
    },
  };
}

export const myPlugin = defineComponent({
  interface: 'model',
  id: 'my-plugin',
  description: 'a decoder-only bigram model',
  options: myPluginOptions,
  useFactory: ({ options }) => createMyPlugin(options),
});
