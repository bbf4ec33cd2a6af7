import { defineComponent, type Optimizer } from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';

/** Gradient descent with momentum: m = momentum * m + g, and p = p - rate * m. */
export const myPluginOptions = z.strictObject({
  learningRate: z.number().nonnegative().default(0.01).describe('base rate, which the schedule scales'),
  momentum: z.number().min(0).lt(1).default(0.9).describe('share of the last update that is repeated'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

/** State by the name of the parameter, so that a run can be resumed and shared out to workers. */
const stateOf = (parameter: string): string => `my-plugin.m/${parameter}`;

export function createMyPlugin({ learningRate, momentum }: MyPluginOptions): Optimizer {
  return {
    learningRate,
    init: (parameters) =>
      Object.fromEntries(Object.entries(parameters).map(([name, value]) => [stateOf(name), tf.zerosLike(value)])),
    // Compiled into the training step: pure tf code, which never reads a value.
    update: ({ parameters, gradients, state, learningRate: rate }) => {
      const updated: Record<string, tf.Tensor> = {};
      const kept: Record<string, tf.Tensor> = {};
      for (const [name, value] of Object.entries(parameters)) {
        const moved = tf.add(tf.mul(state[stateOf(name)], momentum), gradients[name]);
        kept[stateOf(name)] = moved;
        updated[name] = tf.sub(value, tf.mul(moved, rate));
      }
      return { parameters: updated, state: kept };
    },
  };
}

export const myPlugin = defineComponent({
  interface: 'optimizer',
  id: 'my-plugin',
  description: 'gradient descent with momentum',
  options: myPluginOptions,
  useFactory: ({ options }) => createMyPlugin(options),
});
