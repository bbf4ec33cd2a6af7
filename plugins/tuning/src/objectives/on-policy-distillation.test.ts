import { createRandom, generate, uploadBatch, type HostFields, type Model, type ObjectiveContext } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { AlignedTeacher } from '../distillation/aligned-teacher';
import { generalizedJsd } from '../loss/generalized-jsd';
import { OnPolicyDistillation, type OnPolicyOptions } from './on-policy-distillation';

const row = (...values: number[]): HostFields[string] => ({
  dtype: 'int32',
  shape: [values.length],
  values: Int32Array.from(values),
});
const EXAMPLES: readonly HostFields[] = [
  { source: row(5, 6, 7), target: row(8, 9, 1) },
  { source: row(11, 12), target: row(13, 1) },
];

let engine: Engine;
beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));

function made(modelOptions: object, options: Partial<OnPolicyOptions> = {}) {
  const model = tinyGemma(modelOptions);
  const parameters = tinyParameters(model);
  const other = tinyGemma({ kind: 'decoder-only' });
  const frozen = tinyParameters(other, 9);
  const teacher = new AlignedTeacher({ model: other, parameters: frozen, dispose: () => tf.dispose(frozen) }, 1);
  const objective = new OnPolicyDistillation(
    { teacher: 'teacher', maxNewTokens: 5, padToMultipleOf: 1, sampling: { temperature: 0 }, ...options },
    teacher,
  );
  const context: ObjectiveContext = { model, step: 0, random: createRandom(1) };
  const batch = objective.prepare({ kind: 'examples', examples: EXAMPLES }, context);
  const sample = (): Promise<HostFields> =>
    objective.sample(batch, { engine, model, parameters, step: 0, random: createRandom(2), rank: 0 });
  return { model, parameters, other, frozen, objective, batch, sample };
}

const countingLabels = ({ labels }: HostFields): number[][] => {
  const [rows, length] = labels.shape;
  return Array.from({ length: rows }, (_, i) =>
    Array.from(labels.values.subarray(i * length, (i + 1) * length)).filter((label) => label !== -100),
  );
};

describe.each([
  ['an encoder-decoder', {}],
  ['a decoder-only model', { kind: 'decoder-only' }],
])('%s', (_, modelOptions) => {
  it('learns what it writes itself, up to its end or the limit', async () => {
    const { model, parameters, objective, sample } = made(modelOptions);
    const sampled = await sample();
    const alone = model.kind === 'decoder-only';
    for (const [i, { source }] of EXAMPLES.entries()) {
      const ids = alone ? [2, ...source.values] : Array.from(source.values);
      const input_ids = { dtype: 'int32' as const, shape: [1, ids.length], values: Int32Array.from(ids) };
      const [whole] = await generate(engine, model, parameters, { fields: { input_ids }, maxNewTokens: 5 });
      const written = Array.from(whole.subarray(alone ? ids.length : 1));
      const end = written.indexOf(1);
      expect(countingLabels(sampled)[i]).toEqual(end < 0 ? written : written.slice(0, end + 1));
    }
    objective.dispose();
    tf.dispose(parameters);
  });

  it('is taught the distribution of the teacher for these tokens', async () => {
    const { model, parameters, other, frozen, objective, sample } = made(modelOptions, { beta: 1 });
    const sampled = await sample();
    const { loss } = objective.loss(model, parameters, uploadBatch(sampled), { training: true });
    // Of each example by itself, without padding.
    const targets = countingLabels(sampled);
    let [sum, count] = [0, 0];
    for (const [i, { source }] of EXAMPLES.entries()) {
      const before = [2, ...source.values, ...targets[i].slice(0, -1)];
      const ids = (values: readonly number[]): tf.Tensor => tf.tensor2d([values as number[]], undefined, 'int32');
      const last = (logits: tf.Tensor3D): tf.Tensor2D =>
        tf.reshape(tf.slice(logits, [0, logits.shape[1] - targets[i].length, 0]), [targets[i].length, -1]);
      const taught = last(other.forward(frozen, { input_ids: ids(before) }).logits);
      const fields: Record<string, tf.Tensor> =
        model.kind === 'decoder-only'
          ? { input_ids: ids(before) }
          : { input_ids: ids([...source.values]), decoder_input_ids: ids([2, ...targets[i].slice(0, -1)]) };
      const own = last(model.forward(parameters, fields).logits);
      sum += generalizedJsd(own, taught, tf.ones([targets[i].length]), 1).dataSync()[0];
      count += targets[i].length;
    }
    expect(loss.dataSync()[0]).toBeCloseTo(sum / count, 4);
    const chunked = new OnPolicyDistillation(
      { teacher: 'teacher', beta: 1, chunkTokens: 3 },
      new AlignedTeacher({ model: other, parameters: frozen, dispose: () => undefined }, 1),
    );
    const inChunks = chunked.loss(model, parameters, uploadBatch(sampled), { training: true });
    expect(inChunks.loss.dataSync()[0]).toBeCloseTo(sum / count, 4);
    objective.dispose();
    tf.dispose(parameters);
  });

  it('keeps the targets of the data in steps that are not on-policy, and in an evaluation', async () => {
    const { model, batch, objective, parameters, sample } = made(modelOptions, { onPolicyRate: 0 });
    const kept = await sample();
    expect(countingLabels(kept)).toEqual([
      [8, 9, 1],
      [13, 1],
    ]);
    expect(Object.keys(kept)).not.toContain('prompt_ids');
    expect(countingLabels(batch)).toEqual(countingLabels(kept));
    const evaluated = new OnPolicyDistillation({ teacher: 'teacher', padToMultipleOf: 1 });
    const held = evaluated.prepare({ kind: 'examples', examples: EXAMPLES }, { model, random: createRandom(1) });
    expect(Object.keys(held).some((name) => /^(teacher|prompt)_/.test(name))).toBe(false);
    const { loss } = evaluated.loss(model, parameters, uploadBatch(held), { training: false });
    expect(Number.isFinite(loss.dataSync()[0])).toBe(true);
    objective.dispose();
    tf.dispose(parameters);
  });
});

it('draws are the same for a step again, and others for another step', async () => {
  const drawn = async (step: number): Promise<number[][]> => {
    const { objective, model, parameters, batch } = made({}, { sampling: { temperature: 2 }, maxNewTokens: 8 });
    const random = createRandom(3).fork(step);
    const sampled = await objective.sample(batch, { engine, model, parameters, step, random, rank: 0 });
    objective.dispose();
    tf.dispose(parameters);
    return countingLabels(sampled);
  };
  expect(await drawn(4)).toEqual(await drawn(4));
  expect(await drawn(5)).not.toEqual(await drawn(4));
});

it.each([{}, { kind: 'decoder-only' }])(
  'two workers write for their rows what one writes for all: %j',
  async (kind) => {
    const { objective, model, parameters, batch } = made(kind, { sampling: { temperature: 2 }, maxNewTokens: 8 });
    const drawn = async (fields: HostFields, rank: number): Promise<number[][]> =>
      countingLabels(
        await objective.sample(fields, { engine, model, parameters, step: 0, random: createRandom(3), rank }),
      );
    const rowOf = (row: number): HostFields =>
      Object.fromEntries(
        Object.entries(batch).map(
          ([
            name,
            {
              dtype,
              shape: [, length],
              values,
            },
          ]) => [name, { dtype, shape: [1, length], values: values.slice(row * length, (row + 1) * length) }],
        ),
      );
    const whole = await drawn(batch, 0);
    expect([...(await drawn(rowOf(0), 0)), ...(await drawn(rowOf(1), 1))]).toEqual(whole);
    expect(await drawn(rowOf(1), 0)).not.toEqual([whole[1]]);
    objective.dispose();
    tf.dispose(parameters);
  },
);

it('a student whose teacher reads another start is refused', () => {
  const student = tinyGemma({ kind: 'decoder-only' });
  const silent = Object.assign(Object.create(student) as Model, {
    specialTokens: {
      ...student.specialTokens,
      policy: {
        encoder: { bos: false, eos: 'auto' },
        decoder: { bos: false, eos: 'auto' },
        teacher: { bos: 'auto' },
      },
    },
  });
  const { objective } = made({ kind: 'decoder-only' });
  expect(() => objective.settle({ model: silent })).toThrow(
    /The student reads no start token, its teacher start token 2/,
  );
});
