import { createRandom, type ComponentSpec } from '@graft/core';
import { openEngine } from '@graft/engine';
import { conformance, createComponent, ToyDataset, toyExamples, toyModel, type ObjectiveOptions } from '@graft/testing';
import { plugin, PreferenceEvaluator } from './index';

const CASES: readonly (readonly [name: string, spec: ComponentSpec, options: ObjectiveOptions])[] = [
  ['dpo of an encoder-decoder', { use: 'dpo', reference: 'none' }, { model: () => toyModel() }],
  [
    'dpo of a decoder-only model',
    { use: 'dpo', reference: 'none' },
    { model: () => toyModel({ kind: 'decoder-only' }) },
  ],
  ['SimPO', { use: 'dpo', reference: 'none', perToken: true, beta: 2, margin: 1, chunkTokens: 20 }, {}],
];

describe.each(CASES)('the objective %s', (_, spec, options) => {
  const make = () => createComponent([plugin], 'objective', spec);
  const source = async () => ({
    kind: 'examples' as const,
    examples: await toyExamples(4, { fields: ['source', 'chosen', 'rejected'], lengthTokens: 16 }),
  });
  for (const { name, run } of conformance.objective(make, { source, ...options })) test(name, run);
});

describe('the evaluator preferences', () => {
  const make = async () =>
    new PreferenceEvaluator(
      {
        engine: await openEngine({ mode: 'portable' }),
        dataset: new ToyDataset({ fields: ['source', 'chosen', 'rejected'], items: 5, epochs: 1 }),
        random: createRandom(1),
      },
      { batchSize: 2, perToken: true },
    );
  for (const { name, run } of conformance.evaluator(make)) test(name, run);
});
