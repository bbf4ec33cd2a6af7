import { createRandom, type EvaluationContext, type EvaluationProgress, type Model } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { temporaryFolder } from '@graft/test-support';
import { ToyTokenizer, toyModel } from '@graft/testing';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LatencyEvaluator, latencyOptions } from './latency';

describe('LatencyEvaluator', () => {
  let engine: Engine;
  const tokenizer = new ToyTokenizer();
  const evaluatorOf = (options: object): LatencyEvaluator =>
    new LatencyEvaluator(
      { engine, tokenizers: { encoder: tokenizer, decoder: tokenizer } },
      latencyOptions.parse(options),
    );

  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  async function measure(
    model: ReturnType<typeof tinyGemma>,
    options: object,
    more: Partial<EvaluationContext> = {},
  ): Promise<Record<string, number>> {
    const evaluator = evaluatorOf(options);
    const parameters = tinyParameters(model);
    try {
      const tensors = engine.memory().tensors;
      const context = { model, parameters, step: 0, random: createRandom(1), ...more };
      const numbers = await evaluator.evaluate(context);
      expect(engine.memory().tensors).toBe(tensors);
      return numbers;
    } finally {
      evaluator.dispose();
      tf.dispose(parameters);
    }
  }

  const TIMES = ['ms', 'q1', 'q3'];
  const namesOf = (batch: string, parts: readonly string[]): string[] => [
    ...parts.flatMap((part) => TIMES.map((time) => `${batch}.${part}/${time}`)),
    ...['inputTokens', 'tokensPerSecond', 'peakResidentBytes'].map((name) => `${batch}.${name}`),
  ];

  it('times encoding, the first token and each further one, for each batch size, after the warm-up', async () => {
    const reports: EvaluationProgress[] = [];
    const options = { batchSizes: [1, 3], inputTokens: 5, newTokens: 4, warmup: 1, repeats: 3 };
    const numbers = await measure(tinyGemma(), options, { progress: (report) => reports.push(report) });
    const parts = ['encoding', 'firstToken', 'nextToken', 'all'];
    expect(Object.keys(numbers)).toEqual([...namesOf('batch1', parts), ...namesOf('batch3', parts)]);
    for (const part of parts) {
      const [median, q1, q3] = TIMES.map((time) => numbers[`batch3.${part}/${time}`]);
      expect(q1 <= median && median <= q3 && q1 > 0).toBe(true);
    }
    expect(numbers['batch1.inputTokens']).toBe(5);
    expect(numbers['batch3.tokensPerSecond']).toBeCloseTo(12_000 / numbers['batch3.all/ms'], 6);
    expect(reports.map(({ done, total, part }) => [done, total, part])).toEqual(
      ['batch 1 (1 of 2)', 'batch 3 (2 of 2)'].flatMap((part) => [0, 1, 2, 3].map((done) => [done, 4, part])),
    );
  });

  it('a decoder-only model has no encoding; prompts come from a file', async () => {
    const file = join(temporaryFolder(), 'prompts.jsonl');
    writeFileSync(file, `{"text":"${'a'.repeat(33)}"}\n{"text":"b"}\n`);
    const options = { file, source: 'text', batchSizes: [3], newTokens: 2, repeats: 1 };
    const numbers = await measure(tinyGemma({ kind: 'decoder-only' }), options);
    expect(Object.keys(numbers)).toEqual(namesOf('batch3', ['firstToken', 'nextToken', 'all']));
    expect(numbers['batch3.inputTokens']).toBe(34);
  });

  it('ends when it is aborted, and before the first step refuses what cannot run', async () => {
    const options = { inputTokens: 4, newTokens: 2 };
    await expect(measure(tinyGemma(), options, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
    await expect(evaluatorOf({ file: '/none.jsonl' }).check({ model: tinyGemma() })).rejects.toThrow(
      '/none.jsonl cannot be read',
    );
    const model: Model = toyModel();
    await expect(evaluatorOf(options).check({ model })).rejects.toMatchObject({ code: 'family.no-decoding' });
    expect(latencyOptions.safeParse({ file: 'x', inputTokens: 3 }).error?.issues[0].message).toBe(
      'belongs to random tokens; the texts of a file have their own lengths',
    );
  });
});
