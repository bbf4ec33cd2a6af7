import type { ComponentSpec } from '@graft/core';
import { conformance, createComponent, toyModel, type ObjectiveOptions } from '@graft/testing';
import { plugin } from './index';

const CASES: readonly (readonly [name: string, spec: ComponentSpec, options: ObjectiveOptions])[] = [
  ['prefix-lm', { use: 'prefix-lm' }, {}],
  ['prefix-lm with short padding', { use: 'prefix-lm', padToMultipleOf: 8 }, {}],
  ['causal-lm', { use: 'causal-lm' }, {}],
  ['seq2seq of an encoder-decoder', { use: 'seq2seq' }, { model: () => toyModel() }],
  ['ul2', { use: 'ul2' }, { model: () => toyModel({ vocabularySize: 300 }) }],
  [
    'a mixture',
    { use: 'mixture', objectives: [{ objective: { use: 'prefix-lm' } }, { objective: { use: 'seq2seq' } }] },
    { steps: [0, 1, 2] },
  ],
];

describe.each(CASES)('the objective %s', (_, spec, options) => {
  const make = () => createComponent([plugin], 'objective', spec);
  for (const { name, run } of conformance.objective(make, options)) test(name, run);
});
