import type { Model } from '../interfaces';
import { estimateTrainingMemory, ONE_DEVICE, type MemoryRequest } from './memory-estimate';

const model = {
  parameters: [
    { name: 'w', shape: [100, 20], part: 'decoder', initial: 'normal' },
    { name: 'frozen', shape: [10, 20], part: 'embedding', initial: 'normal' },
    { name: 'norm', shape: [20], part: 'decoder', initial: 'zeros' },
  ],
  stepMemory: (
    { batch, targetLength }: { batch: number; targetLength: number },
    { chunkTokens = 100 }: { chunkTokens?: number },
  ) => ({
    activations: 1000 * batch * targetLength,
    logits: 10 * chunkTokens,
  }),
} as unknown as Model;

const request: MemoryRequest = {
  model,
  optimizer: { stateOf: (_, shape) => [{ shape: [...shape], dtype: 'float32' }] },
  isTrained: (name) => name !== 'frozen',
};

it('parameters, state and gradients are counted by their dtypes, of those that train', () => {
  expect(estimateTrainingMemory(request)).toMatchObject({
    parameters: 4 * 2220,
    masterWeights: 0,
    optimizerState: 4 * 2020,
    gradients: 4 * 2020,
    average: 0,
    castWeights: 0,
    activations: undefined,
    logits: undefined,
    total: 4 * (2220 + 2020 + 2020),
  });
  const narrow = { ...request, parameterDtype: 'bfloat16', precision: 'bfloat16', keepsAverage: true } as const;
  expect(estimateTrainingMemory(narrow)).toMatchObject({
    parameters: 2 * 2200 + 4 * 20,
    masterWeights: 4 * 2000,
    gradients: 4 * 2020,
    average: 4 * 2220,
    castWeights: 0,
  });
  expect(estimateTrainingMemory({ ...narrow, masterWeights: 'none' }).masterWeights).toBe(0);
});

it('products in another dtype than the weights take a copy of them', () => {
  expect(estimateTrainingMemory({ ...request, precision: 'bfloat16' }).castWeights).toBe(2 * 2200);
  expect(estimateTrainingMemory({ ...request, parameterDtype: 'bfloat16' }).castWeights).toBe(4 * 2200);
});

it('micro-batches and chunks divide what a step stores', () => {
  const batch = { batch: 8, sourceLength: 0, targetLength: 16 };
  expect(estimateTrainingMemory({ ...request, batch })).toMatchObject({ activations: 1000 * 8 * 16, logits: 1000 });
  expect(estimateTrainingMemory({ ...request, batch, microBatches: 4, chunkTokens: 32 })).toMatchObject({
    activations: 1000 * 2 * 16,
    logits: 320,
  });
});

it('devices divide parameters, state and gradients by name, and the rows of the batch', () => {
  const batch = { batch: 8, sourceLength: 0, targetLength: 16 };
  const whole = estimateTrainingMemory({ ...request, batch });
  const quarter = estimateTrainingMemory({ ...request, batch }, { partsOf: () => 4, batch: 4, row: 1 });
  for (const key of ['parameters', 'optimizerState', 'gradients', 'activations'] as const)
    expect(quarter[key]).toBe(whole[key]! / 4);
  const some = { ...ONE_DEVICE, partsOf: (name: string) => (name === 'w' ? 2 : 1) };
  expect(estimateTrainingMemory(request, some).parameters).toBe(4 * (1000 + 220));
});

it('an optimizer and a model that say nothing are left out of the sum', () => {
  const batch = { batch: 8, sourceLength: 0, targetLength: 16 };
  const silent = { ...request, model: { parameters: model.parameters }, optimizer: {}, batch };
  expect(estimateTrainingMemory(silent)).toMatchObject({
    optimizerState: undefined,
    activations: undefined,
    total: 4 * (2220 + 2020),
  });
});
