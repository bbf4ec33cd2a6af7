import {
  createComponentFactory,
  createRandom,
  Registry,
  silentLogger,
  type EvaluationContext,
  type EvaluationProgress,
  type Evaluator,
  type Logger,
  type Parameters,
} from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import type { GemmaModel } from '@graft/gemma';
import { plugin as benchmarks } from '@graft/benchmarks';
import { plugin as text } from '@graft/text';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { batches } from './batches';
import { encodeExamples } from './encode-examples';
import { classLogits, initialHead } from './head';
import { openEvaluator } from '../test-support/open-evaluator';
import { writeSyntheticBenchmark } from './synthetic';
import { plugin } from './plugin';
import { findTask, readTask } from './tasks';
import type { TrialRecord } from './trial-store';

const folder = join(temporaryFolder(), 'synthetic');
let engine: Engine;
let model: GemmaModel;
let parameters: Parameters;

beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
  model = tinyGemma({ vocabularySize: 259 });
  parameters = tinyParameters(model);
  await writeSyntheticBenchmark(folder, { seed: 0, trainRows: 6, valRows: 5 });
});
afterAll(() => tf.dispose(parameters));

const OPTIONS = {
  folder,
  tasks: ['cb', 'rte'],
  tokenizer: 'bytes',
  learningRates: [0.001],
  batchSizes: [4],
  epochs: 2,
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

test('the evaluator returns the scores of every task, the chosen settings and the mean, and keeps no tensor', async () => {
  const before = tf.memory().numTensors;
  const own = await evaluator();
  const numbers = await own.evaluate(context());
  expect(tf.memory().numTensors).toBe(before);
  expect(Object.keys(numbers)).toEqual([
    ...['accuracy', 'majority', 'examples', 'learningRate', 'batchSize', 'dropout', 'epoch'].map((key) => `rte/${key}`),
    ...['accuracy', 'majority', 'f1', 'examples', 'learningRate', 'batchSize', 'dropout', 'epoch'].map(
      (key) => `cb/${key}`,
    ),
    'partialMean',
  ]);
  expect(numbers).toMatchObject({ 'rte/majority': 0.6, 'cb/majority': 0.4, 'cb/examples': 5, 'cb/batchSize': 4 });
  expect(numbers.partialMean).toBeCloseTo((numbers['cb/accuracy'] + numbers['rte/accuracy']) / 2, 12);
  // One seed, one result.
  expect(await (await evaluator()).evaluate(context())).toEqual(numbers);
});

test('the evaluator reports every step of a trial and the validation after it, and which trial of which task it is', async () => {
  const reports: EvaluationProgress[] = [];
  const own = await evaluator({ learningRates: [0.001, 0.002] });
  await own.evaluate(context({ progress: (report) => void reports.push(report) }));
  const parts = [...new Set(reports.map(({ part }) => part))];
  expect(parts).toEqual([
    'rte (1 of 2), trial 1 of 2',
    'rte (1 of 2), trial 2 of 2',
    'cb (2 of 2), trial 1 of 2',
    'cb (2 of 2), trial 2 of 2',
  ]);
  const first = reports.filter(({ part }) => part === parts[0]);
  expect(first[0]).toMatchObject({ done: 0, unit: 'steps' });
  expect(first.some(({ unit }) => unit === 'validation examples')).toBe(true);
  expect(reports.every(({ done, total }) => done < total!)).toBe(true);
  expect(first.filter(({ unit }) => unit === 'steps').map(({ done }) => done)).toEqual(
    Array.from({ length: first[0].total! }, (_, step) => step),
  );
});

test('finished trials of a run are not repeated', async () => {
  const run = temporaryFolder();
  const options = { learningRates: [0.001, 0.002] };
  await (await evaluator(options, run)).evaluate(context());
  const files = readdirSync(join(run, 'superglue')).map((name) => join(run, 'superglue', name));
  expect(files).toHaveLength(4);
  // Marked, so that the origin of a number is visible.
  const records = files.map(
    (file) => JSON.parse(readFileSync(file, 'utf8')) as { record: { task: string; epochs: unknown } },
  );
  for (const [i, stored] of records.entries()) {
    if (stored.record.task === 'rte') stored.record.epochs = [{ steps: 1, trainLoss: 1, scores: { accuracy: 7 } }];
    writeFileSync(files[i], JSON.stringify(stored));
  }
  rmSync(files[records.findIndex(({ record }) => record.task === 'cb')]);
  const numbers = await (await evaluator(options, run)).evaluate(context());
  expect(numbers['rte/accuracy']).toBe(7);
  expect(numbers['cb/accuracy']).toBeLessThanOrEqual(1);
  expect(readdirSync(join(run, 'superglue'))).toHaveLength(4);
  // Other settings are other trials.
  expect((await (await evaluator({ ...options, epochs: 3 }, run)).evaluate(context()))['rte/accuracy']).toBeLessThan(7);
});

test('with several seeds the chosen trial is repeated: the scores are means, with intervals, and the trials are kept', async () => {
  const run = temporaryFolder();
  const reports: EvaluationProgress[] = [];
  const progress = (report: EvaluationProgress): void => void reports.push(report);
  const once = await (await evaluator({}, run)).evaluate(context());
  const numbers = await (await evaluator({ seeds: 3 }, run)).evaluate(context({ progress }));
  expect([...new Set(reports.map(({ part }) => part))]).toEqual([
    'rte (1 of 2), seed 2 of 3',
    'rte (1 of 2), seed 3 of 3',
    'cb (2 of 2), seed 2 of 3',
    'cb (2 of 2), seed 3 of 3',
  ]);
  const stored = readdirSync(join(run, 'superglue')).map(
    (name) => JSON.parse(readFileSync(join(run, 'superglue', name), 'utf8')) as { record: TrialRecord },
  );
  expect(stored).toHaveLength(6);
  const bestOf = ({ record }: { record: TrialRecord }): number =>
    Math.max(...record.epochs.map(({ scores }) => scores.accuracy));
  for (const task of ['rte', 'cb']) {
    const best = stored.filter(({ record }) => record.task === task).map(bestOf);
    expect(best).toContain(once[`${task}/accuracy`]);
    expect(numbers[`${task}/accuracy`]).toBeCloseTo(best.reduce((sum, one) => sum + one, 0) / 3, 12);
    expect(numbers[`${task}/accuracyLow`]).toBeGreaterThan(Math.min(...best) - 1e-9);
    expect(numbers[`${task}/accuracyHigh`]).toBeLessThan(Math.max(...best) + 1e-9);
    expect(numbers[`${task}/seeds`]).toBe(3);
  }
  expect(numbers.partialMean).toBeCloseTo((numbers['cb/accuracy'] + numbers['rte/accuracy']) / 2, 12);
  expect(numbers.partialMeanLow).toBeLessThanOrEqual(numbers.partialMean);
});

test('a run that did not search dropout in the model reuses its trials when it does', async () => {
  const run = temporaryFolder();
  const options = { tasks: ['rte'], dropouts: [0.1], appendEos: true };
  await (await evaluator(options, run)).evaluate(context());
  const [name] = readdirSync(join(run, 'superglue'));
  const { conditions } = JSON.parse(readFileSync(join(run, 'superglue', name), 'utf8')) as { conditions: object };
  // A file's name is the hash of these, including keys and order, which are those from before this search existed.
  expect(Object.keys(conditions)).toEqual(
    'task trial step random folder tokenizer maxTokens longInputs prependBos appendEos epochs optimizer schedule'.split(
      ' ',
    ),
  );
  expect(conditions).toMatchObject({ trial: { learningRate: 0.001, batchSize: 4, dropout: 0.1 } });
  expect(JSON.stringify(conditions)).not.toContain('modelDropout');
  await (await evaluator({ ...options, modelDropouts: [0, 0.3] }, run)).evaluate(context());
  expect(readdirSync(join(run, 'superglue'))).toHaveLength(3);
});

test("dropout in the model is searched in the grid, and a checkpoint's own rates are the default", async () => {
  const losses = async (own: GemmaModel, rates?: number[]): Promise<number[]> => {
    const run = temporaryFolder();
    const options = { tasks: ['rte'], dropouts: [0], epochs: 1, ...(rates && { modelDropouts: rates }) };
    const numbers = await (await evaluator(options, run)).evaluate(context({ model: own }));
    expect(rates ?? [undefined]).toContain(numbers['rte/modelDropout']);
    const records = readdirSync(join(run, 'superglue')).map(
      (name) => (JSON.parse(readFileSync(join(run, 'superglue', name), 'utf8')) as { record: TrialRecord }).record,
    );
    records.sort((a, b) => (a.trial.modelDropout ?? 0) - (b.trial.modelDropout ?? 0));
    return records.map(({ epochs }) => epochs[0].trainLoss);
  };
  const dropping = tinyGemma({ vocabularySize: 259, dropout: 0.3, attentionDropout: 0.3 });
  const [plain] = await losses(model);
  const [none, some] = await losses(model, [0, 0.3]);
  expect(none).toBe(plain);
  expect(some).not.toBe(plain);
  // The model's own rates are the default, and the grid overrides them.
  expect(await losses(dropping)).toEqual([some]);
  expect(await losses(dropping, [0])).toEqual([none]);
});

test('dropout rates for a model without dropout are refused', async () => {
  const { representation, specialTokens, kind } = model;
  const other = { representation, specialTokens, kind } as never;
  const refused = (await evaluator({ modelDropouts: [0.1] })).evaluate(context({ model: other }));
  await expect(refused).rejects.toMatchObject({ code: 'superglue.no-dropout' });
});

test('mode prompted asks the tasks without fine-tuning, as the evaluator benchmarks does', async () => {
  const registry = new Registry();
  for (const one of [plugin, benchmarks, text]) registry.register(one, 'test');
  const factory = createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() });
  const numbersOf = async (options: { use: string }): Promise<Record<string, number>> =>
    (await factory.create('evaluator', options)).evaluate(context());
  const common = { tasks: ['rte'], tokenizer: 'bytes' };
  const options = { use: 'superglue', mode: 'prompted', folder, ...common };
  const numbers = await numbersOf(options);
  expect(numbers).toMatchObject({ 'rte/rows': 5, 'rte/shots': 0 });
  expect(numbers).toEqual(await numbersOf({ use: 'benchmarks', data: folder, ...common } as { use: string }));
});

test('an abort signal stops the evaluator, and finished trials are kept', async () => {
  const run = temporaryFolder();
  const stop = new AbortController();
  const logger = { ...silentLogger(), info: () => stop.abort(new Error('enough')) } as unknown as Logger;
  const before = tf.memory().numTensors;
  await expect(
    (await evaluator({ learningRates: [0.001, 0.002] }, run, logger)).evaluate(context({ signal: stop.signal })),
  ).rejects.toThrow('enough');
  expect(readdirSync(join(run, 'superglue'))).toHaveLength(1);
  expect(tf.memory().numTensors).toBe(before);
});

test('a point of the grid that diverges is left out, and it is an error if all of them do', async () => {
  const mad = { optimizer: { use: 'adamw', learningRate: 1 }, tasks: ['rte'] };
  const numbers = await (await evaluator({ ...mad, learningRates: [1e38, 0.001] })).evaluate(context());
  expect(numbers['rte/learningRate']).toBe(0.001);
  await expect((await evaluator({ ...mad, learningRates: [1e38] })).evaluate(context())).rejects.toThrow(
    /^Fine-tuning on rte diverged at every point of the grid: The loss is NaN at step \d/,
  );
});

test('a model without states for a head is refused before anything is trained', async () => {
  const { representation: _, ...without } = {
    representation: 0,
    ...Object.assign(Object.create(null), { kind: 'decoder-only', specialTokens: model.specialTokens }),
  } as Record<string, unknown>;
  await expect((await evaluator()).evaluate(context({ model: without as never }))).rejects.toThrow(
    'This model (decoder-only) offers no states for a classification head to read.',
  );
});

test('the length that the error names is enough for the training and the validation set', async () => {
  const options = { longInputs: 'error', maxTokens: 8, tasks: ['copa'], epochs: 1 };
  const refused = (await evaluator(options)).evaluate(context());
  const { message, hint } = await refused.then(
    () => ({ message: '', hint: '' }),
    (error: Error & { hint: string }) => error,
  );
  expect(message).toMatch(/COPA.train\.jsonl:1 \(idx 0\) takes \d+ tokens, but maxTokens is 8\./);
  const needed = Number(/\d+/.exec(hint)![0]);
  const again = (maxTokens: number): Promise<unknown> =>
    evaluator({ ...options, maxTokens }).then((own) => own.evaluate(context()));
  await expect(again(needed - 1)).rejects.toThrow(`takes ${needed} tokens`);
  await expect(again(needed)).resolves.toBeDefined();
});

test('the logits of a text do not depend on the rest of the batch', async () => {
  const tokenizer = { encode: (line: string) => Int32Array.from(Buffer.from(line)), bosId: 257, eosId: 258 };
  const task = findTask('boolq');
  const examples = await readTask(folder, task, 'val');
  const { encoded } = encodeExamples(examples, tokenizer as never, {
    maxTokens: 200,
    longInputs: 'error',
    eos: tokenizer.eosId,
  });
  const head = initialHead(2, model.representation, createRandom(5));
  const logitsOf = (batchSize: number): number[][] =>
    [...batches(encoded, { batchSize, maxTokens: 200, padId: 0 })].flatMap(({ examples: own, fields }) =>
      tf.tidy(() => {
        const batch = Object.fromEntries(
          Object.entries(fields).map(([name, { values, shape, dtype }]) => [
            name,
            tf.tensor(values, [...shape], dtype),
          ]),
        );
        const logits = classLogits(model.representation, { ...parameters, ...head }, batch as never);
        return (logits.arraySync() as number[][]).slice(0, own.length);
      }),
    );
  const [alone, together] = [logitsOf(1), logitsOf(3)];
  expect(alone).toHaveLength(encoded.length);
  alone.forEach((row, i) => row.forEach((value, j) => expect(together[i][j]).toBeCloseTo(value, 4)));
  expect(Math.abs(alone[0][0] - alone[1][0])).toBeGreaterThan(1e-4);
  tf.dispose(head);
});
