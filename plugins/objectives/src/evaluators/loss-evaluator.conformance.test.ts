import { defineComponent, definePlugin } from '@graft/core';
import { conformance, createComponent, ToyDataset } from '@graft/testing';
import { z } from 'zod';
import { plugin } from '../index';

const toys = definePlugin({
  name: 'toys',
  components: [
    defineComponent({
      interface: 'dataset',
      id: 'toy',
      description: 'random letters',
      options: z.strictObject({}),
      useFactory: () => new ToyDataset({ lengthTokens: 20 }),
    }),
  ],
});

describe.each(['prefix-lm', 'ul2'])('the evaluator loss of %s', (objective) => {
  const own =
    objective === 'ul2' ? { use: objective, sentinels: { first: 31, count: 4, step: -1 } } : { use: objective };
  const spec = { use: 'loss', dataset: { use: 'toy' }, objective: own, batches: 2, batchSize: 4 };
  for (const { name, run } of conformance.evaluator(() => createComponent([plugin, toys], 'evaluator', spec)))
    test(name, run);
});
