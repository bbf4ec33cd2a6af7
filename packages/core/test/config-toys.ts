import { z } from 'zod';
import { componentOption, defineComponent, definePlugin, pathOption } from '../src';
import type { ComponentDefinition, InterfaceName } from '../src';

/** Components that only exist to be named: nothing is made in these tests. */
export const named = (
  interface_: InterfaceName,
  id: string,
  options: z.ZodType = z.strictObject({}),
): ComponentDefinition => ({
  ...defineComponent({ interface: interface_, id, description: '', options, useFactory: () => ({}) }),
});

export const PLUGIN = definePlugin({
  name: 'toys',
  components: [
    named(
      'model',
      'toy',
      z.strictObject({
        width: z.number().int().default(4),
        encoderWindow: z.enum(['strict', 'inclusive']).default('strict'),
      }),
    ),
    named('initializer', 'zeros'),
    named('initializer', 'load', z.strictObject({ path: pathOption() })),
    named('objective', 'squares'),
    named(
      'dataset',
      'lines',
      z.strictObject({
        files: z.union([pathOption(), z.array(pathOption())]),
        tokenizer: componentOption('tokenizer').default({ use: 'bytes' }),
      }),
    ),
    named('tokenizer', 'bytes'),
    named('tokenizer', 'file', z.strictObject({ path: pathOption() })),
    named(
      'optimizer',
      'sgd',
      z.strictObject({
        learningRate: z.number().positive().default(0.1),
        betas: z.tuple([z.number(), z.number()]).optional(),
      }),
    ),
    named('schedule', 'constant', z.strictObject({ warmupSteps: z.number().int().default(0) })),
    named('evaluator', 'count', z.strictObject({ of: z.string().default('x') })),
  ],
});

export const BASE = {
  name: 'test',
  initializer: 'zeros',
  objective: { use: 'squares' },
  dataset: { use: 'lines', files: 'data.txt' },
  optimizer: { use: 'sgd' },
  train: { steps: 3 },
};
