import { defineComponent, type Schedule } from '@graft/core';
import { z } from 'zod';

/** The learning rate is halved every `halfLifeSteps` steps. */
export const myPluginOptions = z.strictObject({
  halfLifeSteps: z.int().positive().default(1000).describe('steps after which the factor is half of what it was'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

export function createMyPlugin({ halfLifeSteps }: MyPluginOptions): Schedule {
  return { factor: (step) => 0.5 ** Math.floor(step / halfLifeSteps) };
}

export const myPlugin = defineComponent({
  interface: 'schedule',
  id: 'my-plugin',
  description: 'halves the learning rate at regular intervals',
  options: myPluginOptions,
  useFactory: ({ options }) => createMyPlugin(options),
});
