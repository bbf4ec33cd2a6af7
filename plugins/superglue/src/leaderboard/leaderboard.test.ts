import { createRandom, type EvaluationContext, type Evaluator, type Logger, type Parameters } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import type { GemmaModel } from '@graft/gemma';
import { tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEvaluator } from '../../test-support/open-evaluator';
import { writeSyntheticBenchmark } from '../synthetic';
import { readTextTask, findTask, type TextTask } from '../tasks';
import type { TrialRecord } from '../trial-store';

const SIDE = { layers: 1, hidden: 24, feedForward: 48, heads: 2, keyValueHeads: 1, headDim: 12, slidingWindow: 32 };
const folder = join(temporaryFolder(), 'synthetic');
let engine: Engine;
let model: GemmaModel;
let parameters: Parameters;

beforeAll(async () => {
  engine = await openEngine({ mode: 'graph' });
  model = tinyGemma({ kind: 'encoder-decoder', vocabularySize: 259, decoder: SIDE });
  parameters = tinyParameters(model);
  await writeSyntheticBenchmark(folder, { seed: 0, trainRows: 6, valRows: 4, testRows: 3 });
});
afterAll(() => tf.dispose(parameters));

const OPTIONS = {
  mode: 'leaderboard',
  folder,
  tasks: ['rte', 'wsc'],
  tokenizer: 'bytes',
  learningRates: [0.001],
  batchSizes: [4],
  epochs: 1,
};

const evaluator = (options: object = {}, runFolder?: string, logger?: Logger): Promise<Evaluator> =>
  openEvaluator({ ...OPTIONS, ...options }, { engine, runFolder, logger });

const context = (changes: Partial<EvaluationContext> = {}): EvaluationContext => ({
  model,
  parameters,
  step: 0,
  random: createRandom(0),
  ...changes,
});

const recordsIn = (run: string): TrialRecord[] =>
  readdirSync(join(run, 'superglue')).map(
    (name) => (JSON.parse(readFileSync(join(run, 'superglue', name), 'utf8')) as { record: TrialRecord }).record,
  );

test('the evaluator returns scores, the diagnostic sets and the mean, writes a submission, and keeps no tensor', async () => {
  const run = temporaryFolder();
  const before = tf.memory().numTensors;
  const numbers = await (await evaluator({}, run)).evaluate(context());
  expect(tf.memory().numTensors).toBe(before);
  expect(Object.keys(numbers)).toEqual([
    ...['score', 'majority', 'accuracy', 'invalid', 'examples', 'learningRate', 'batchSize', 'epoch'].map(
      (key) => `wsc/${key}`,
    ),
    ...['score', 'majority', 'accuracy', 'invalid', 'examples', 'learningRate', 'batchSize', 'epoch'].map(
      (key) => `rte/${key}`,
    ),
    ...['axb/matthews', 'axb/invalid', 'axg/accuracy', 'axg/parity', 'axg/invalid'],
    'partialMean',
  ]);
  expect(numbers.partialMean).toBeCloseTo((numbers['wsc/score'] + numbers['rte/score']) / 2, 12);
  const files = readdirSync(join(run, 'submission')).sort();
  expect(files).toEqual(['AX-b.jsonl', 'AX-g.jsonl', 'RTE.jsonl', 'WSC.jsonl']);
  const rows = files.map(
    (file) =>
      readFileSync(join(run, 'submission', file), 'utf8')
        .trimEnd()
        .split('\n').length,
  );
  expect(rows).toEqual([3, 6, 3, 3]);
  // Stored fine-tunings have all that is needed, answers included.
  rmSync(join(run, 'submission'), { recursive: true });
  expect(await (await evaluator({}, run)).evaluate(context())).toEqual(numbers);
  expect(readdirSync(join(run, 'submission')).sort()).toEqual(files);
  expect(recordsIn(run)).toHaveLength(2);
});

test('a stored fine-tuning whose answers are to another file is an error', async () => {
  const [run, other] = [temporaryFolder(), join(temporaryFolder(), 'other')];
  await writeSyntheticBenchmark(other, { seed: 0, trainRows: 4, valRows: 2, testRows: 2 });
  const options = { tasks: ['rte'], folder: other };
  await (await evaluator(options, run)).evaluate(context());
  const file = join(other, 'RTE', 'test.jsonl');
  writeFileSync(file, readFileSync(file, 'utf8').split('\n')[0]);
  const { message } = await failureOf((await evaluator(options, run)).evaluate(context()));
  expect(message).toBe(`${file} has 1 examples, but the stored fine-tuning has answers to 2 of test.`);
});

test('with few rows each seed draws its own, and all points of the grid have the same', async () => {
  const run = temporaryFolder();
  const options = {
    tasks: ['multirc'],
    trainRows: 2,
    learningRates: [1e-9, 1e-8],
    seeds: 3,
    answers: 'chosen',
    predict: 'none',
  };
  const numbers = await (await evaluator(options, run)).evaluate(context());
  expect(numbers).toMatchObject({ 'multirc/seeds': 3, 'multirc/examples': 8 });
  expect(numbers['multirc/scoreLow']).toBeLessThanOrEqual(numbers['multirc/scoreHigh']);
  const records = recordsIn(run);
  expect(records).toHaveLength(4);
  // Almost nothing is learnt at such rates: the losses tell which rows were read.
  const losses = records.map(({ epochs }) => epochs[0].trainLoss.toFixed(4));
  expect(new Set(losses).size).toBe(3);
  // Two rows with two answers each, in one batch.
  expect(records.every(({ epochs }) => epochs[0].steps === 1)).toBe(true);
});

test('a decoder-only model reads text and answer in one sequence', async () => {
  const own = tinyGemma({ kind: 'decoder-only', vocabularySize: 259, decoder: SIDE });
  const ownParameters = tinyParameters(own);
  try {
    for (const answers of ['written', 'chosen']) {
      const numbers = await (
        await evaluator({ tasks: ['cb'], answers, maxTokens: 100 })
      ).evaluate(context({ model: own, parameters: ownParameters }));
      expect(numbers['cb/score']).toBeCloseTo((numbers['cb/accuracy'] + numbers['cb/f1']) / 2, 12);
      if (answers === 'chosen') expect(numbers['cb/invalid']).toBe(0);
    }
  } finally {
    tf.dispose(ownParameters);
  }
});

test("dropout in the model is searched in the grid, and the model's own rates are the default", async () => {
  const lossesOf = async (options: object): Promise<number[]> => {
    const run = temporaryFolder();
    await (await evaluator({ tasks: ['rte'], predict: 'none', ...options }, run)).evaluate(context());
    const records = recordsIn(run).sort((a, b) => (a.trial.modelDropout ?? 0) - (b.trial.modelDropout ?? 0));
    return records.map(({ epochs }) => epochs[0].trainLoss);
  };
  const [plain] = await lossesOf({});
  const [none, some] = await lossesOf({ modelDropouts: [0, 0.5] });
  expect(none).toBe(plain);
  expect(Math.abs(some - plain)).toBeGreaterThan(1e-3);
});

test('a point of the grid whose likelihoods are not numbers does not count', async () => {
  const run = temporaryFolder();
  const options = { tasks: ['cb'], answers: 'chosen', predict: 'none', learningRates: [1e38, 0.001], maxSteps: 1 };
  const numbers = await (await evaluator(options, run)).evaluate(context());
  expect(numbers['cb/learningRate']).toBe(0.001);
  expect(
    recordsIn(run)
      .map(({ diverged }) => diverged ?? 'fine')
      .sort(),
  ).toEqual(['The likelihoods of the answers are not numbers.', 'fine']);
});

test('a tiny model learns a synthetic task far above its majority', async () => {
  const own = join(temporaryFolder(), 'own');
  await writeSyntheticBenchmark(own, { seed: 0, trainRows: 200, valRows: 30 });
  const options = {
    folder: own,
    tasks: ['rte'],
    learningRates: [0.003],
    batchSizes: [16],
    epochs: 9,
    answers: 'chosen',
  };
  const numbers = await (await evaluator(options)).evaluate(context());
  expect(numbers['rte/majority']).toBe(0.5);
  expect(numbers['rte/score']).toBeGreaterThan(0.8);
}, 60_000);

test('the wrong model, objective and options are refused before anything is trained', async () => {
  const refused = async (options: object, changes: object = {}): Promise<string> =>
    (await failureOf(evaluator(options).then((own) => own.evaluate(context(changes))))).message;
  const { specialTokens, vocabularySize } = model;
  const without = { kind: 'encoder-only', specialTokens, vocabularySize };
  expect(await refused({}, { model: without })).toBe(
    'Mode leaderboard lets the model write answers, but an encoder alone has no decoder.',
  );
  const endless = Object.create(model, { specialTokens: { value: { ...specialTokens, eos: [] } } }) as GemmaModel;
  expect(await refused({}, { model: endless })).toMatch(/^Mode leaderboard .* but it has none\.$/);
  expect(await refused({ objective: 'prefix-lm' })).toMatch(/^the objective wants the field "tokens"/);
  expect(await refused({ trainRows: 7 })).toMatch(/WSC.train\.jsonl has 3 rows to train on, but trainRows is 7\.$/);
  expect(await refused({ tasks: ['rte'], maxTokens: 20 })).toMatch(
    /RTE.train\.jsonl:\d+ \(idx \d+\) takes \d+ tokens without its passage, but maxTokens is 20\.$/,
  );
  expect(await refused({ dropouts: [0.3] })).toContain(
    'dropouts: belongs to mode paper and has no effect in mode leaderboard: leave it out',
  );
  expect(await refused({ mode: 'prompted' })).toContain('epochs: belongs to mode paper or leaderboard');
});

test('a task whose rows have no answer to learn is refused', async () => {
  const own = join(temporaryFolder(), 'own');
  await writeSyntheticBenchmark(own, { seed: 0, trainRows: 2, valRows: 2 });
  const file = join(own, 'WSC', 'train.jsonl');
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"label":true', '"label":false'));
  const { message } = await failureOf(
    evaluator({ folder: own, tasks: ['wsc'] }).then((made) => made.evaluate(context())),
  );
  expect(message).toBe(`${file} holds no examples with an answer.`);
});

test('synthetic test sets have no labels, and their texts differ from those of the other sets', async () => {
  for (const id of ['boolq', 'multirc', 'record'] as const) {
    const task = { ...findTask(id), text: findTask(id).text as TextTask };
    const test = await readTextTask(folder, task, 'test');
    expect(test.length).toBeGreaterThan(0);
    expect(test.filter(({ answers }) => answers !== undefined)).toEqual([]);
  }
});
