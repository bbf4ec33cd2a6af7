import { defineExperiment, type ExperimentConfig } from './index';

test('defineExperiment returns its argument, and its types reject what the loader would', () => {
  const experiment = { name: 'x', engine: 'graph', optimizer: 'adamw', train: { steps: 3 } } as const;
  expect(defineExperiment(experiment)).toBe(experiment);
  // @ts-expect-error -- no such key
  defineExperiment({ optimiser: 'adamw' });
  // @ts-expect-error -- no such precision
  defineExperiment({ train: { precision: 'float64' } });
  // @ts-expect-error -- a section with options names its component
  defineExperiment({ optimizer: { learningRate: 1 } });
  // A resolved config is one that may be written.
  const again = (config: ExperimentConfig): unknown => defineExperiment(config);
  expect(again).toBeDefined();
});
