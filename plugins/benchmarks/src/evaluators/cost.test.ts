import { createRandom, type Model } from '@graft/core';
import { tinyGemma } from '@graft/gemma/test-support/tiny-gemma';
import { conformance, createComponent, toyModel } from '@graft/testing';
import { plugin } from '../index';
import { CostEvaluator, costOptions } from './cost';

const evaluate = (model: Model, options: object = {}): Promise<Record<string, number>> =>
  new CostEvaluator(costOptions.parse(options)).evaluate({ model, parameters: {}, step: 0, random: createRandom(0) });

test.each(['encoder-decoder', 'decoder-only'] as const)(
  'costs of the parts add up to those of all: %s',
  async (kind) => {
    const model = tinyGemma({ kind });
    const costs = await evaluate(model, { batchSize: 3, inputTokens: 9, newTokens: 6, parameterDtype: 'bfloat16' });
    const [sourceLength, promptLength] = [9, kind === 'decoder-only' ? 9 : 1];
    const { encode, prefill, step } = model.generationCosts(
      { batch: 3, sourceLength, promptLength, newTokens: 6 },
      { parameterBytes: 2 },
    );
    expect(costs['prefill/flops']).toBe(prefill!.flops);
    expect(costs['token/bytesRead']).toBe(step!.bytesRead);
    expect(costs['encode/flops']).toBe(encode?.flops);
    for (const key of ['flops', 'bytesRead'] as const)
      expect(costs[`all/${key}`]).toBe((encode?.[key] ?? 0) + prefill![key] + 5 * step![key]);
  },
);

test('a generation of one token has no further ones', async () => {
  expect(Object.keys(await evaluate(tinyGemma({ kind: 'decoder-only' }), { newTokens: 1 }))).toEqual([
    'prefill/flops',
    'prefill/bytesRead',
    'all/flops',
    'all/bytesRead',
    'parameters',
  ]);
});

test('a model that does not know its costs is refused before the first step', async () => {
  const model = toyModel();
  await expect(new CostEvaluator(costOptions.parse({})).check({ model })).rejects.toMatchObject({
    code: 'benchmarks.no-costs',
    message: 'This model does not say what its generation costs.',
  });
});

describe('the evaluator cost', () => {
  const spec = { use: 'cost', inputTokens: 8, newTokens: 4 };
  const checks = conformance.evaluator(() => createComponent([plugin], 'evaluator', spec), {
    model: () => tinyGemma(),
  });
  for (const { name, run } of checks) test(name, run);
});
