import {
  createRandom,
  silentLogger,
  uploadBatch,
  type BatchTensors,
  type HostFields,
  type Model,
  type ObjectiveContext,
  type Parameters,
} from '@graft/core';
import { openEngine, tf, valueAndGradients, type Engine } from '@graft/engine';
import { ints, tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { temporaryFolder, worstDifference } from '@graft/test-support';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Reference } from '../reference/reference';
import { Dpo, type DpoOptions } from './dpo';

const row = (...values: number[]): HostFields[string] => ({
  dtype: 'int32',
  shape: [values.length],
  values: Int32Array.from(values),
});
const EXAMPLES: readonly HostFields[] = [
  { source: row(5, 6, 7), chosen: row(8, 9, 1), rejected: row(10, 1) },
  { source: row(11, 12), chosen: row(13, 1), rejected: row(14, 15, 16, 1) },
];

const context = (model: Model): ObjectiveContext => ({ model, step: 0, random: createRandom(1) });
const batchOf = (model: Model, options: DpoOptions = {}, examples = EXAMPLES): HostFields =>
  new Dpo({ padToMultipleOf: 1, ...options }).prepare({ kind: 'examples', examples }, context(model));
const valuesOf = (batch: HostFields): Record<string, number[][]> =>
  Object.fromEntries(
    Object.entries(batch).map(
      ([
        name,
        {
          values,
          shape: [rows, length],
        },
      ]) => [name, Array.from({ length: rows }, (_, i) => Array.from(values.subarray(i * length, (i + 1) * length)))],
    ),
  );

function problemOf(make: () => unknown): Error {
  try {
    make();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was wrong');
}

let engine: Engine;
beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));

describe('the batch of dpo', () => {
  it('has the source of an encoder-decoder once, and both answers shifted by one', () => {
    expect(valuesOf(batchOf(tinyGemma()))).toEqual({
      input_ids: [
        [5, 6, 7],
        [11, 12, 0],
      ],
      attention_mask: [
        [1, 1, 1],
        [1, 1, 0],
      ],
      decoder_input_ids: [
        [2, 8, 9, 0],
        [2, 13, 1, 0],
      ],
      decoder_attention_mask: [
        [1, 1, 1, 0],
        [1, 1, 0, 0],
      ],
      labels: [
        [8, 9, 1, -100],
        [13, 1, -100, -100],
      ],
      rejected_decoder_input_ids: [
        [2, 10, 1, 0],
        [2, 14, 15, 16],
      ],
      rejected_decoder_attention_mask: [
        [1, 1, 0, 0],
        [1, 1, 1, 1],
      ],
      rejected_labels: [
        [10, 1, -100, -100],
        [14, 15, 16, 1],
      ],
    });
  });

  it('has for a decoder-only model the prompt before each answer, of which the answer alone is learnt', () => {
    const batch = valuesOf(batchOf(tinyGemma({ kind: 'decoder-only' }), {}, EXAMPLES.slice(0, 1)));
    expect(batch).toEqual({
      input_ids: [[2, 5, 6, 7, 8, 9]],
      attention_mask: [[1, 1, 1, 1, 1, 1]],
      labels: [[-100, -100, -100, 8, 9, 1]],
      rejected_input_ids: [[2, 5, 6, 7, 10, 0]],
      rejected_attention_mask: [[1, 1, 1, 1, 1, 0]],
      rejected_labels: [[-100, -100, -100, 10, 1, -100]],
    });
  });

  it('is cut to the limits if the options say so; otherwise the error names the length', () => {
    const model = tinyGemma();
    const failed = problemOf(() => batchOf(model, { maxTargetTokens: 3 }));
    expect(failed.message).toMatch(
      /^Example 1 of the batch: "rejected" has 4 tokens, but objective.maxTargetTokens is 3/,
    );
    const cut = valuesOf(batchOf(model, { maxSourceTokens: 2, maxTargetTokens: 3, truncate: true }));
    expect(cut.input_ids).toEqual([
      [5, 6],
      [11, 12],
    ]);
    expect(cut.rejected_labels).toEqual([
      [10, 1, -100],
      [14, 15, 16],
    ]);
  });

  it.each<[string, HostFields, RegExp]>([
    ['an empty answer', { ...EXAMPLES[0], rejected: row() }, /^Example 0 of the batch: "rejected" is empty/],
    [
      'a token outside the vocabulary',
      { ...EXAMPLES[0], chosen: row(99) },
      /"chosen" holds the id 99, but the model's/,
    ],
    ['two equal answers', { ...EXAMPLES[0], rejected: row(8, 9, 1) }, /the two answers are the same, so neither/],
    ['a lost answer', { source: row(5), chosen: row(6) }, /lacks the field "rejected"/],
  ])('%s is an error that names the example', (_, example, message) => {
    expect(problemOf(() => batchOf(tinyGemma(), {}, [example])).message).toMatch(message);
  });
});

/** ln P of each answer, token by token, by calls of the model for one sequence each. */
function answersOneByOne(model: Model, parameters: Parameters): [chosen: number, rejected: number][] {
  const { start } = model.specialTokens;
  const ofAnswer = (source: readonly number[], target: readonly number[]): number => {
    const shifted = [start, ...target.slice(0, -1)];
    const fields =
      model.kind === 'decoder-only'
        ? { input_ids: ints([[start, ...source, ...target.slice(0, -1)]]) }
        : { input_ids: ints([source]), decoder_input_ids: ints([shifted]) };
    const logits = model.forward(parameters, uploadBatch(fields)).logits.arraySync()[0];
    const last = logits.slice(-target.length);
    return target.reduce((sum, id, i) => {
      const peak = Math.max(...last[i]);
      return sum + last[i][id] - peak - Math.log(last[i].reduce((all, x) => all + Math.exp(x - peak), 0));
    }, 0);
  };
  const numbers = (array: HostFields[string]): number[] => Array.from(array.values);
  return EXAMPLES.map(({ source, chosen, rejected }) => [
    ofAnswer(numbers(source), numbers(chosen)),
    ofAnswer(numbers(source), numbers(rejected)),
  ]);
}

describe.each([
  ['an encoder-decoder', {}],
  ['a decoder-only model', { kind: 'decoder-only' }],
])('the loss of dpo for %s', (_, modelOptions) => {
  const compute = (
    options: DpoOptions,
    reference?: Reference,
    change: Partial<Model> = {},
  ): { loss: number; metrics: Record<string, number>; gradients: Float32Array[] } => {
    const model = Object.assign(Object.create(tinyGemma(modelOptions)) as Model, change);
    const parameters = tinyParameters(tinyGemma(modelOptions));
    const objective = new Dpo({ padToMultipleOf: 8, ...options }, reference);
    const batch = uploadBatch(batchOf(model, { padToMultipleOf: 8 }));
    const { loss, gradients, auxiliary } = valueAndGradients((own: Parameters) => {
      const output = objective.loss(model, own, batch, { training: true });
      return { loss: output.loss, auxiliary: output.metrics! };
    }, parameters);
    return {
      loss: loss.dataSync()[0],
      metrics: Object.fromEntries(Object.entries(auxiliary).map(([name, value]) => [name, value.dataSync()[0]])),
      gradients: model.parameters.map(({ name }) => gradients[name].dataSync() as Float32Array),
    };
  };
  const model = tinyGemma(modelOptions);

  it('is that of the log-probabilities of single answers, relative to the reference', () => {
    const own = answersOneByOne(model, tinyParameters(model));
    const other = tinyParameters(model, 5);
    const fixed = answersOneByOne(model, other);
    const reference = Reference.of({ model, parameters: other, dispose: () => tf.dispose(other) });
    const rewards = own.map(([chosen, rejected], i) => [0.3 * (chosen - fixed[i][0]), 0.3 * (rejected - fixed[i][1])]);
    const margins = rewards.map(([chosen, rejected]) => chosen - rejected);
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const { loss, metrics } = compute({ beta: 0.3 }, reference);
    expect(loss).toBeCloseTo(mean(margins.map((margin) => Math.log(1 + Math.exp(-margin)))), 4);
    expect(metrics.rewardMargin).toBeCloseTo(mean(margins), 4);
    expect(metrics.rewardAccuracy).toBe(mean(margins.map((margin) => Number(margin > 0))));
    expect(metrics.chosenReward).toBeCloseTo(mean(rewards.map(([chosen]) => chosen)), 4);
    expect(metrics.rejectedLogProbability).toBeCloseTo(mean(own.map(([, rejected]) => rejected)), 4);
    // Chunks, which compute logits twice, give the same.
    const chunked = compute({ beta: 0.3, chunkTokens: 5 }, reference);
    expect(chunked.loss).toBeCloseTo(loss, 5);
    reference.dispose();
  });

  it('without a reference is SimPO, by the mean of the tokens', () => {
    const own = answersOneByOne(model, tinyParameters(model));
    const margins = own.map(([chosen, rejected], i) => {
      const { chosen: one, rejected: two } = EXAMPLES[i];
      return 2 * (chosen / one.values.length - rejected / two.values.length) - 1.5;
    });
    const expected = margins.reduce((sum, margin) => sum + Math.log(1 + Math.exp(-margin)), 0) / margins.length;
    const { loss } = compute({ reference: 'none', perToken: true, beta: 2, margin: 1.5 });
    expect(loss).toBeCloseTo(expected, 4);
  });

  it('is the same for a model that reads each source once for each answer', () => {
    const once = compute({ reference: 'none' });
    const twice = compute({ reference: 'none' }, undefined, { readsSeveralTargets: false });
    expect(twice.loss).toBeCloseTo(once.loss, 5);
    const largest = Math.max(...once.gradients.flatMap((one) => Array.from(one, Math.abs)));
    once.gradients.forEach((one, i) => expect(worstDifference(one, twice.gradients[i]) / largest).toBeLessThan(1e-5));
  });
});

describe('the log-probabilities of the reference, if they are kept', () => {
  const model = tinyGemma();
  const options = { beta: 0.3, padToMultipleOf: 8 };
  let parameters: Parameters;
  beforeAll(() => void (parameters = tinyParameters(model)));
  afterAll(() => tf.dispose(parameters));

  /** A run that keeps them in a folder; `asked`: how often its reference computed. */
  const open = (folder: string, { seed = 5, beta = 0.3 } = {}) => {
    const run = { asked: 0, log: [] as string[] };
    const counting = Object.assign(Object.create(model) as Model, {
      forward: (...given: [Parameters, BatchTensors]) => {
        run.asked++;
        return model.forward(...given);
      },
    });
    const other = tinyParameters(model, seed);
    const reference = Reference.of({ model: counting, parameters: other, dispose: () => tf.dispose(other) });
    const add = (line: string): void => void run.log.push(line);
    const logger = { ...silentLogger(), info: add, warn: add };
    const objective = new Dpo({ ...options, beta, keepReference: { folder } }, reference, logger);
    const sample = async (examples: readonly HostFields[] = EXAMPLES): Promise<HostFields> =>
      objective.sample!(objective.prepare({ kind: 'examples', examples }, context(model)), {
        ...{ engine, model, parameters, step: 0, rank: 0 },
        random: createRandom(1),
      });
    const numbers = async (examples?: readonly HostFields[]): Promise<number[]> =>
      Array.from((await sample(examples)).reference_log_probabilities.values);
    return Object.assign(run, { objective, reference, sample, numbers, close: () => objective.dispose() });
  };
  const fileIn = (folder: string): string => join(folder, readdirSync(folder)[0], 'preferences-v1.jsonl');
  const MORE: readonly HostFields[] = [{ source: row(20), chosen: row(21, 1), rejected: row(22, 1) }];

  it('are computed once for each pair, and give the loss of computed ones', async () => {
    const run = open(temporaryFolder());
    const first = await run.sample();
    expect(run.asked).toBe(1);
    // In another order, too.
    expect(await run.numbers([...EXAMPLES].reverse())).toEqual(
      [2, 3, 0, 1].map((i) => first.reference_log_probabilities.values[i]),
    );
    expect(run.asked).toBe(1);
    const lossOf = (objective: Dpo, batch: HostFields): number =>
      tf.tidy(() => objective.loss(model, parameters, uploadBatch(batch), { training: true }).loss.dataSync()[0]);
    const expected = lossOf(new Dpo(options, run.reference), batchOf(model, options));
    expect(run.asked).toBe(2);
    expect(lossOf(run.objective, first)).toBeCloseTo(expected, 5);
    expect(run.asked).toBe(2);
    await run.numbers(MORE);
    expect(run.asked).toBe(3);
    run.close();
  });

  it('are computed by no second run, whatever its beta; another reference and other pairs are not confused', async () => {
    const folder = temporaryFolder();
    const first = open(folder);
    const expected = await first.numbers();
    first.close();
    const again = open(folder, { beta: 2 });
    expect(await again.numbers()).toEqual(expected);
    expect(again.asked).toBe(0);
    expect(again.log[0]).toMatch(/^Log-probabilities of the reference [0-9a-f]{16}: 2 pairs are known, in /);
    // The chosen answer of one and the rejected one of another are another pair.
    const swapped = [{ ...EXAMPLES[0], chosen: EXAMPLES[0].rejected, rejected: EXAMPLES[0].chosen }];
    expect(await again.numbers(swapped)).toEqual([expected[1], expected[0]].map((value) => expect.closeTo(value, 4)));
    expect(again.asked).toBe(1);
    again.close();
    const other = open(folder, { seed: 6 });
    expect(await other.numbers()).not.toEqual(expected);
    expect(other.asked).toBe(1);
    other.close();
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('are computed again, with a word, where a file is cut, damaged, or cannot be read', async () => {
    const folder = temporaryFolder();
    const first = open(folder);
    const expected = await first.numbers();
    first.close();
    const file = fileIn(folder);
    const [line] = readFileSync(file, 'utf8').split('\n');
    // A pair without its second number, bytes that are not UTF-8, and what a killed process leaves.
    const odd = Buffer.concat([
      Buffer.from('{"key":"k","chosen":1}\n'),
      Buffer.of(0xff, 10),
      Buffer.from(`${line}\n{"ke`),
    ]);
    writeFileSync(file, odd);
    const second = open(folder);
    expect(await second.numbers()).toEqual(expected);
    expect(second.asked).toBe(1);
    expect(second.log[0]).toBe(`${file}: 3 of 4 lines are not answers; their requests are answered again.`);
    second.close();
    const third = open(folder);
    expect(await third.numbers()).toEqual(expected);
    expect(third.asked).toBe(0);
    third.close();
    rmSync(file);
    mkdirSync(file);
    const fourth = open(folder);
    expect(await fourth.numbers()).toEqual(expected);
    expect(await fourth.numbers()).toEqual(expected);
    expect(fourth.asked).toBe(1);
    expect(fourth.log).toEqual([
      expect.stringMatching(/cannot be read: .* The reference is computed again, and kept in memory only\.$/),
    ]);
    fourth.close();
  });
});

/** Multiplications in the matrix products of a computation. */
async function multiplications(compute: () => tf.Tensor): Promise<number> {
  const { kernels } = await tf.profile(() => tf.tidy(compute));
  const size = (shape: readonly number[]): number => shape.reduce((all, n) => all * n, 1);
  return kernels
    .filter(({ name }) => name === 'BatchMatMul')
    .reduce((sum, { inputShapes, outputShapes }) => {
      const output = outputShapes[0] as number[];
      const inner = size(inputShapes[0]!) / size(output.slice(0, -1));
      return sum + size(output) * inner;
    }, 0);
}

it('the encoder reads a source once for both answers', async () => {
  const model = tinyGemma();
  const parameters = tinyParameters(model);
  const source = row(...Array.from({ length: 24 }, (_, i) => 3 + i));
  const batch = uploadBatch(batchOf(model, {}, [{ source, chosen: row(4, 1), rejected: row(5, 1) }]));
  const objective = new Dpo({ reference: 'none' });
  const ofLoss = (change: Partial<Model>): Promise<number> => {
    const changed = Object.assign(Object.create(model) as Model, change);
    return multiplications(() => objective.loss(changed, parameters, batch, { training: true }).loss);
  };
  const ofEncoder = await multiplications(() => model.encode(parameters, batch));
  expect(ofEncoder).toBeGreaterThan(0);
  expect(await ofLoss({ readsSeveralTargets: false })).toBe((await ofLoss({})) + ofEncoder);
  tf.dispose([parameters, batch] as tf.TensorContainer);
});
