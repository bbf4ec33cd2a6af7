import { conformance, createComponent } from '@graft/testing';
import { plugin } from './index';

describe.each([
  { use: 'adamw' },
  { use: 'adamw', moments: 'bfloat16' },
  { use: 'adamw', moments: 'int8' },
  { use: 'adafactor' },
  { use: 'lion' },
])('the optimizer %j', (section) => {
  const spec = { ...section, learningRate: 0.01, clipNorm: 1 };
  for (const { name, run } of conformance.optimizer(() => createComponent([plugin], 'optimizer', spec)))
    test(name, run);
});

describe.each([
  { use: 'constant' },
  { use: 'constant', warmupSteps: 3 },
  { use: 'cosine', warmupSteps: 3 },
  { use: 'linear', warmupSteps: 0 },
  { use: 'inverse-sqrt', warmupSteps: 5 },
])('the schedule %j', (spec) => {
  for (const { name, run } of conformance.schedule(() => createComponent([plugin], 'schedule', spec))) test(name, run);
});
