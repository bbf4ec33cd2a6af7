import { tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { plugin as optimizers } from '@graft/optimizers';
import { temporaryFolder } from '@graft/test-support';
import { conformance, createComponent } from '@graft/testing';
import { plugin as text } from '@graft/text';
import { join } from 'node:path';
import { plugin } from './plugin';
import { writeSyntheticBenchmark } from './synthetic';

describe('the evaluator superglue', () => {
  const folder = join(temporaryFolder(), 'synthetic');
  beforeAll(() => writeSyntheticBenchmark(folder, { seed: 0, trainRows: 4, valRows: 3 }));
  const small = { tasks: ['cb'], tokenizer: 'bytes', learningRates: [0.001], batchSizes: [4], epochs: 1 };
  const make = () => createComponent([plugin, optimizers, text], 'evaluator', { use: 'superglue', folder, ...small });
  const model = () => tinyGemma({ vocabularySize: 259 });
  const parameters = (given: unknown) => tinyParameters(given as ReturnType<typeof model>);
  for (const { name, run } of conformance.evaluator(make, { model, parameters })) test(name, run);
});
