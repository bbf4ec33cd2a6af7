import { createRandom, Generator, modelInput, silentLogger, type EvaluationContext, type RunInfo } from '@graft/core';
import { defineComponent, definePlugin } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { temporaryFolder } from '@graft/test-support';
import { conformance, createComponent, ToyDataset, ToyTokenizer, toyModel } from '@graft/testing';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { bleu } from '../metrics/bleu';
import { plugin } from '../index';
import { GenerateEvaluator, generateOptions } from './generate';

const folder = temporaryFolder();
const tokenizer = new ToyTokenizer();
const SOURCES = ['abc', 'the cat sat on the mat.', 'zebra', 'no', 'a longer text than the others, which is padded'];
const file = join(folder, 'rows.jsonl');
writeFileSync(file, SOURCES.map((source) => `${JSON.stringify({ source, target: ['x', source] })}\n`).join(''));

interface SampleLine {
  readonly row: number;
  readonly source: string;
  readonly output: string;
  readonly newTokens: number;
  readonly isFinished: boolean;
  readonly scores?: object;
}

describe('GenerateEvaluator', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  type Gemma = ReturnType<typeof tinyGemma>;

  /** The numbers, and the samples in the run's folder. */
  async function evaluate(
    model: Gemma,
    options: object,
    { dataset, ...more }: Partial<EvaluationContext> & { dataset?: ToyDataset } = {},
  ): Promise<{ numbers: Record<string, number>; samples: SampleLine[]; summary: Record<string, unknown> }> {
    const run = { folder: temporaryFolder() } as RunInfo;
    const parts = {
      engine,
      run,
      dataset,
      logger: silentLogger(),
      tokenizers: { encoder: tokenizer, decoder: tokenizer },
    };
    const evaluator = new GenerateEvaluator(
      parts,
      generateOptions.parse({ ...(dataset ? { dataset: 'toy' } : { file }), ...options }),
    );
    const parameters = tinyParameters(model);
    try {
      await evaluator.check({ model });
      const context = { model, parameters, step: 7, random: createRandom(1).fork('held out/1'), ...more };
      const numbers = await evaluator.evaluate(context);
      const [summary, lines] = readdirSync(join(run.folder, 'samples'))
        .sort()
        .map((name) => readFileSync(join(run.folder, 'samples', name), 'utf8'));
      return {
        numbers,
        samples: lines
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as SampleLine),
        summary: JSON.parse(summary) as Record<string, unknown>,
      };
    } finally {
      evaluator.dispose();
      tf.dispose(parameters);
    }
  }

  /** What the model writes for one text by itself. */
  async function alone(model: Gemma, source: string, maxNewTokens: number): Promise<string> {
    const parameters = tinyParameters(model);
    const generator = new Generator(engine, model);
    const values = modelInput(model, tokenizer.encode(source));
    const fields = { input_ids: { dtype: 'int32' as const, shape: [1, values.length], values } };
    const [row] = await generator.generate(parameters, { fields, maxNewTokens });
    generator.dispose();
    tf.dispose(parameters);
    return tokenizer.decode(row.subarray(model.kind === 'decoder-only' ? values.length : 1));
  }

  it.each(['encoder-decoder', 'decoder-only'] as const)(
    'each row has the output that it has alone, whatever the batch size: %s',
    async (kind) => {
      const model = tinyGemma({ kind });
      const expected = await Promise.all(SOURCES.map((source) => alone(model, source, 6)));
      for (const batchSize of [2, 8]) {
        const { samples, numbers } = await evaluate(model, { batchSize, maxNewTokens: 6 });
        expect(samples.map(({ row, source, output }) => [row, source, output])).toEqual(
          SOURCES.map((source, row) => [row, source, expected[row]]),
        );
        expect(numbers.bleu).toBe(
          bleu(
            expected,
            SOURCES.map((source) => ['x', source]),
          ).score,
        );
        expect(numbers.rows).toBe(5);
        expect(numbers.newTokens).toBe(samples.reduce((sum, { newTokens }) => sum + newTokens, 0) / 5);
        expect(numbers.unfinished).toBe(samples.filter(({ isFinished }) => !isFinished).length / 5);
      }
    },
  );

  it('beam search gives each row the same in any batch, though prompts have different lengths', async () => {
    const model = tinyGemma({ kind: 'decoder-only' });
    const [alone, together] = await Promise.all(
      [1, 8].map((batchSize) => evaluate(model, { batchSize, maxNewTokens: 4, beams: 2 })),
    );
    expect(together.samples).toEqual(alone.samples);
    expect(together.numbers.unfinished).toBeGreaterThan(0);
  });

  it('the folder has the scores of each row, and signatures with the settings', async () => {
    const { samples, summary, numbers } = await evaluate(tinyGemma(), { rows: 2, maxNewTokens: 3 });
    expect(samples[1].scores).toEqual({
      chrf: expect.any(Number) as number,
      rougeL: expect.any(Number) as number,
      exactMatch: 0,
      f1: expect.any(Number) as number,
    });
    expect(summary).toMatchObject({
      step: 7,
      metrics: numbers,
      signatures: {
        bleu: 'BLEU|nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0',
        chrf: 'chrF2|nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0',
      },
      options: { rows: 2, maxNewTokens: 3 },
    });
  });

  it('a dataset gives sources and references, and every evaluation the same ones', async () => {
    const dataset = new ToyDataset({ fields: ['source', 'target'], items: 3, epochs: 2 });
    const first = await evaluate(tinyGemma(), { maxNewTokens: 4, rows: 2 }, { dataset });
    expect(first.numbers.rows).toBe(2);
    expect(await evaluate(tinyGemma(), { maxNewTokens: 4, rows: 2 }, { dataset })).toEqual(first);
    const without = await evaluate(
      tinyGemma(),
      { maxNewTokens: 4 },
      { dataset: new ToyDataset({ fields: ['source'] }) },
    );
    expect(Object.keys(without.numbers)).toEqual(['rows', 'newTokens', 'unfinished']);
  });

  it('a stop text ends an output before it, and beams and draws are taken', async () => {
    const model = tinyGemma();
    const [{ output }] = (await evaluate(model, { rows: 1, maxNewTokens: 8 })).samples;
    const stop = output.at(3)!;
    const stopped = (await evaluate(model, { rows: 1, maxNewTokens: 8, stop: [stop] })).samples[0];
    expect([stopped.output, stopped.isFinished]).toEqual([output.slice(0, output.indexOf(stop)), true]);
    const ofBeams = await evaluate(model, { rows: 1, maxNewTokens: 8, beams: 3 });
    const drawn = await evaluate(model, { rows: 1, maxNewTokens: 8, temperature: 5 });
    expect(new Set([output, drawn.samples[0].output, ofBeams.samples[0].output]).size).toBeGreaterThan(1);
  });

  it('what cannot be generated from is refused before the first step', async () => {
    const parts = { engine, logger: silentLogger(), tokenizers: { encoder: tokenizer, decoder: tokenizer } };
    const own = new GenerateEvaluator(parts, generateOptions.parse({ file }));
    await expect(own.check({ model: toyModel() })).rejects.toMatchObject({ code: 'family.no-decoding' });
    await expect(own.check({ model: tinyGemma({ vocabularySize: 20 }) })).rejects.toThrow(
      /the vocabulary has 20 tokens/,
    );
    const missing = new GenerateEvaluator(parts, generateOptions.parse({ file: join(folder, 'none') }));
    await expect(missing.check({ model: tinyGemma() })).rejects.toThrow(/none cannot be read/);
    const dataset = new ToyDataset();
    expect(() => new GenerateEvaluator({ ...parts, dataset }, generateOptions.parse({ dataset: 'toy' }))).toThrow(
      'the evaluator "generate" wants the field "source"',
    );
  });

  it.each([
    [{}, 'expected either file or dataset'],
    [{ file: 'x', dataset: 'toy' }, 'expected either file or dataset'],
    [{ file: 'x', beams: 2, topK: 3 }, 'does not go with temperature, topK and topP'],
    [{ file: 'x', beams: 2, stop: ['.'] }, 'does not go with stop and repetitionPenalty'],
    [{ file: 'x', lengthPenalty: 2 }, 'belongs to beam search'],
  ])('options that contradict each other are refused: %j', (options, message) => {
    expect(generateOptions.safeParse(options).error?.issues[0].message).toContain(message);
  });
});

describe('the evaluator generate', () => {
  const toys = definePlugin({
    name: 'toys',
    components: [
      defineComponent({
        interface: 'tokenizer',
        id: 'toy',
        description: 'letters',
        options: z.strictObject({}),
        useFactory: () => new ToyTokenizer(),
      }),
    ],
  });
  const spec = { use: 'generate', file, tokenizer: { use: 'toy' }, maxNewTokens: 3, rows: 2, temperature: 1 };
  const checks = conformance.evaluator(() => createComponent([plugin, toys], 'evaluator', spec), {
    model: () => tinyGemma(),
    parameters: (model) => tinyParameters(model as ReturnType<typeof tinyGemma>),
  });
  for (const { name, run } of checks) test(name, run);
});
