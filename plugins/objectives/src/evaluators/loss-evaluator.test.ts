import {
  createRandom,
  DataError,
  type Dataset,
  type EvaluationProgress,
  type HostFields,
  type JsonValue,
  type Objective,
} from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { fakeModel, int32 } from '../../test-support/fake-model';
import { CausalLm, causalLmOptions } from '../objectives/causal-lm';
import { LossEvaluator } from './loss-evaluator';
import { Mixture } from '../objectives/mixture';

/** Items from memory, with the position that a real dataset keeps. */
function inMemory(items: readonly HostFields[], kind: Dataset['kind'] = 'examples'): Dataset {
  let at = 0;
  const next = (): IteratorResult<HostFields, undefined> =>
    at < items.length ? { value: items[at++], done: false } : { value: undefined, done: true };
  return {
    kind,
    fields: Object.entries(items[0] ?? { tokens: int32([1]) }).map(([name, { dtype, shape }]) => ({
      name,
      dtype,
      rank: shape.length,
    })),
    position: () => at,
    restore: (position: JsonValue) => Promise.resolve(void (at = position as number)),
    [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(next()) }),
  };
}

const model = fakeModel('decoder-only');
const objective = (): Objective => new CausalLm(causalLmOptions.parse({ padToMultipleOf: 4 }));
const sequences = Array.from({ length: 10 }, (_, i) =>
  Array.from({ length: 2 + (i % 4) }, (_x, k) => 3 + ((i * 7 + k * 5) % 9)),
);
const items = sequences.map((tokens) => ({ tokens: int32(tokens) }));

describe('LossEvaluator', () => {
  let engine: Engine;
  let table: tf.Tensor;
  const evaluator = (dataset: Dataset, batches: number, batchSize: number): LossEvaluator =>
    new LossEvaluator({ engine, dataset, objective: objective(), random: createRandom(1) }, { batches, batchSize });
  const evaluate = (it: LossEvaluator, step = 0): Promise<Record<string, number>> =>
    it.evaluate({ model, parameters: { table }, step, random: createRandom(step) });

  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
    table = tf.tensor2d(
      Array.from({ length: 144 }, (_, i) => Math.sin(i)),
      [12, 12],
    );
  });

  it('the loss is the mean over target tokens, whatever the batch size', async () => {
    const logits = await (table as tf.Tensor2D).array();
    let sum = 0;
    let tokens = 0;
    for (const row of sequences) {
      // Behind the start token.
      [2, ...row.slice(0, -1)].forEach((read, i) => {
        sum += Math.log(logits[read].reduce((total, x) => total + Math.exp(x), 0)) - logits[read][row[i]];
      });
      tokens += row.length;
    }
    for (const batchSize of [1, 3, 10, 64]) {
      const result = await evaluate(evaluator(inMemory(items), 100, batchSize));
      expect(result.loss).toBeCloseTo(sum / tokens, 5);
      expect(result.perplexity).toBeCloseTo(Math.exp(sum / tokens), 4);
      expect(result.tokens).toBe(tokens);
    }
  });

  it('bits per byte are the loss of all target tokens over the bytes of their text, whatever the batch size', async () => {
    // The end token 1 has no bytes, and token 9 has as many as its id.
    const byteLength = (id: number): number => (id === 1 ? 0 : id);
    const ended = sequences.map((tokens) => [...tokens, 1]);
    const weights = ended.map((tokens, i) => Float32Array.from(tokens, (_, k) => ((i + k) % 3) / 2));
    const measure = async (own: readonly HostFields[], batchSize: number): Promise<Record<string, number>> => {
      const dataset = { ...inMemory(own), tokenizer: { vocabularySize: 12, byteLength } };
      return evaluate(evaluator(dataset, 100, batchSize));
    };
    const plain = ended.map((tokens) => ({ tokens: int32(tokens) }));
    const weighted = plain.map((item, i) => ({
      ...item,
      weights: { dtype: 'float32' as const, shape: [ended[i].length], values: weights[i] },
    }));
    const bytesOf = (weigh: (i: number, k: number) => number): number =>
      ended.reduce((all, tokens, i) => tokens.reduce((sum, id, k) => sum + weigh(i, k) * byteLength(id), all), 0);
    const weight = weights.reduce((all, own) => own.reduce((sum, one) => sum + one, all), 0);
    for (const batchSize of [1, 3, 64]) {
      const { loss, tokens, bytes, bitsPerByte } = await measure(plain, batchSize);
      expect(bytes).toBe(bytesOf(() => 1));
      expect(bitsPerByte).toBeCloseTo((loss * tokens) / bytes / Math.log(2), 6);
      const own = await measure(weighted, batchSize);
      expect(own.bytes).toBe(bytesOf((i, k) => Math.ceil(weights[i][k])));
      expect(own.bitsPerByte).toBeCloseTo((own.loss * weight) / bytesOf((i, k) => weights[i][k]) / Math.log(2), 5);
    }
    expect(Object.keys(await evaluate(evaluator(inMemory(plain), 100, 3)))).toEqual(['loss', 'perplexity', 'tokens']);
    const textless = { ...inMemory(plain), tokenizer: { vocabularySize: 12, byteLength: () => 0 } };
    expect(Object.keys(await evaluate(evaluator(textless, 100, 3)))).toEqual(['loss', 'perplexity', 'tokens']);
  });

  it('every evaluation sees the same batches, stops at the configured number, and keeps no tensor', async () => {
    const it = evaluator(inMemory(items), 2, 2);
    const first = await evaluate(it, 5);
    const tensors = engine.memory().tensors;
    expect(await evaluate(it, 77)).toEqual(first);
    expect(engine.memory().tensors).toBe(tensors);
    expect(first.tokens).toBe(sequences.slice(0, 4).flat().length);
    it.dispose();
  });

  it('every batch is reported, of as many as there are', async () => {
    const reports: EvaluationProgress[] = [];
    const progress = (report: EvaluationProgress): void => void reports.push(report);
    const known = Object.assign(inMemory(items), { length: items.length });
    const context = { model, parameters: { table }, step: 0, random: createRandom(0), progress };
    await evaluator(known, 100, 4).evaluate(context);
    expect(reports).toEqual([0, 1, 2].map((done) => ({ done, total: 3, unit: 'batches', part: undefined })));
  });

  it('before the first step it looks whether there is anything to measure, and leaves the data as they were', async () => {
    const full = inMemory(items);
    const own = evaluator(full, 2, 2);
    await own.check({ model });
    expect(full.position()).toBe(0);
    await expect(evaluator(inMemory([]), 2, 2).check({ model })).rejects.toMatchObject({
      code: 'data.empty',
      exitCode: 2,
      message: "The evaluator's dataset gave no batch, so there is no held-out loss.",
    });
  });

  it('ready batches are measured one by one', async () => {
    const batch = { input_ids: int32([[3, 4]]), labels: int32([[4, -100]]) };
    expect((await evaluate(evaluator(inMemory([batch, batch], 'batch'), 5, 8))).tokens).toBe(2);
  });

  it('each part of a mixture is measured separately', async () => {
    const member = { objective: objective(), rate: 1, fromStep: 0 };
    const parts = new Mixture([
      { ...member, name: 'all' },
      { ...member, name: 'never', rate: 0 },
    ]);
    const own = new LossEvaluator(
      { engine, dataset: inMemory(items), objective: parts, random: createRandom(1) },
      { batches: 2, batchSize: 2 },
    );
    const plain = await evaluate(evaluator(inMemory(items), 2, 2));
    expect(await evaluate(own)).toEqual(
      Object.fromEntries(
        ['all', 'never'].flatMap((name) => Object.entries(plain).map(([key, value]) => [`${key}/${name}`, value])),
      ),
    );
  });

  it('labels are weighted', async () => {
    const weighted = { ...int32([[2, 0.5]]), dtype: 'float32' as const, values: Float32Array.of(2, 0.5) };
    const batch = { input_ids: int32([[3, 4]]), labels: int32([[4, 5]]), label_weights: weighted };
    const losses = [3, 4].map((id, i) => {
      const row = Array.from({ length: 12 }, (_, k) => Math.sin(id * 12 + k));
      return Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[4 + i];
    });
    const result = await evaluate(evaluator(inMemory([batch], 'batch'), 5, 8));
    expect(result.loss).toBeCloseTo((2 * losses[0] + 0.5 * losses[1]) / 2.5, 5);
    expect(result.tokens).toBe(2);
  });

  it('batches with only zero weights are skipped, and the others are measured', async () => {
    const weigh = (fields: HostFields, weight: number): HostFields => {
      const { values } = fields.tokens;
      return {
        ...fields,
        weights: { dtype: 'float32', shape: [values.length], values: Float32Array.from(values, () => weight) },
      };
    };
    const some = items.map((item, i) => weigh(item, i % 5 === 4 ? 0 : 1));
    const all = await evaluate(evaluator(inMemory(some), 100, 10));
    expect(all.tokens).toBe(sequences.filter((_, i) => i % 5 !== 4).flat().length);
    for (const batchSize of [1, 3, 4]) {
      const { loss, tokens } = await evaluate(evaluator(inMemory(some), 100, batchSize));
      expect(loss).toBeCloseTo(all.loss, 5);
      expect(tokens).toBe(all.tokens);
    }
    const none = evaluator(inMemory(items.map((item) => weigh(item, 0))), 100, 2);
    await expect(evaluate(none)).rejects.toThrow(/^The evaluator's dataset: every label is -100/);
  });

  it("an empty dataset and one without the objective's fields are refused", async () => {
    await expect(evaluate(evaluator(inMemory([]), 2, 2))).rejects.toThrow(DataError);
    expect(() => evaluator(inMemory([{ text: int32([1]) }]), 1, 1)).toThrow('wants the field "tokens"');
  });
});
