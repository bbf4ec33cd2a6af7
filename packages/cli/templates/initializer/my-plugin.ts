import { defineComponent, type Initializer } from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';

/** Random weights whose standard deviation falls with the number of inputs, and zeros where the model asks for them. */
export const myPluginOptions = z.strictObject({
  gain: z.number().positive().default(1).describe('the standard deviation is gain / sqrt(inputs)'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

export function createMyPlugin({ gain }: MyPluginOptions): Initializer {
  return {
    // Only the config's `model:` section decides on the model.
    checkpointConfig: async () => undefined,
    async *parameters(model, random) {
      for (const { name, shape, initial } of model.parameters) {
        const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
        const inputs = shape[shape.length - 1] ?? 1;
        // Each parameter has a stream of its own, whatever their order.
        if (initial === 'normal') random.fork(name).fillNormal(values, gain / Math.sqrt(inputs));
        // The consumer owns and disposes the tensor.
        yield [name, tf.tensor(values, [...shape], 'float32')];
      }
    },
  };
}

export const myPlugin = defineComponent({
  interface: 'initializer',
  id: 'my-plugin',
  description: 'random weights, scaled by the number of inputs',
  options: myPluginOptions,
  useFactory: ({ options }) => createMyPlugin(options),
});
