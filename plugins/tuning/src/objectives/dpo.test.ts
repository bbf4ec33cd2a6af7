import {
  createRandom,
  uploadBatch,
  type BatchTensors,
  type HostFields,
  type Model,
  type ObjectiveContext,
  type Parameters,
} from '@graft/core';
import { openEngine, tf, valueAndGradients, type Engine } from '@graft/engine';
import { ints, tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { worstDifference } from '@graft/test-support';
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

it('the log-probabilities of the reference are computed once for each pair, if they are kept', async () => {
  const model = tinyGemma();
  const parameters = tinyParameters(model);
  const other = tinyParameters(model, 5);
  let asked = 0;
  const counting = Object.assign(Object.create(model) as Model, {
    forward: (...given: [Parameters, BatchTensors]) => {
      asked++;
      return model.forward(...given);
    },
  });
  const reference = Reference.of({ model: counting, parameters: other, dispose: () => tf.dispose(other) });
  const options = { beta: 0.3, padToMultipleOf: 8 };
  const kept = new Dpo({ ...options, keepReference: true }, reference);
  const sample = (examples: readonly HostFields[]): Promise<HostFields> =>
    kept.sample!(kept.prepare({ kind: 'examples', examples }, context(model)), {
      ...{ engine, model, parameters, step: 0, rank: 0 },
      random: createRandom(1),
    });
  const first = await sample(EXAMPLES);
  expect(asked).toBe(1);
  // In another order, too.
  const again = await sample([...EXAMPLES].reverse());
  expect(asked).toBe(1);
  expect([...again.reference_log_probabilities.values]).toEqual(
    [2, 3, 0, 1].map((i) => first.reference_log_probabilities.values[i]),
  );
  const lossOf = (objective: Dpo, batch: HostFields): number =>
    tf.tidy(() => objective.loss(model, parameters, uploadBatch(batch), { training: true }).loss.dataSync()[0]);
  const expected = lossOf(new Dpo(options, reference), batchOf(model, options));
  expect(asked).toBe(2);
  expect(lossOf(kept, first)).toBeCloseTo(expected, 5);
  expect(asked).toBe(2);
  await sample([{ source: row(20), chosen: row(21, 1), rejected: row(22, 1) }]);
  expect(asked).toBe(3);
  kept.dispose();
  tf.dispose(parameters);
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
