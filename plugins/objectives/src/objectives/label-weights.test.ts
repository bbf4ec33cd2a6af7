import { createRandom, type HostFields, type Model, type Objective, type ObjectiveSource } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { fakeModel, int32 } from '../../test-support/fake-model';
import { CausalLm, causalLmOptions } from './causal-lm';
import { maskedCrossEntropy } from '@graft/core';
import { PrefixLm, prefixLmOptions } from './prefix-lm';
import { Seq2Seq, seq2seqOptions } from './seq2seq';
import { Ul2 } from './ul2';
import { ul2Options } from './ul2-options';

const float32 = (values: number[] | number[][]): HostFields[string] => ({
  ...int32(values as number[]),
  dtype: 'float32',
  values: Float32Array.from(values.flat()),
});
const one = (example: HostFields): ObjectiveSource => ({ kind: 'examples', examples: [example] });
const unpadded = { padToMultipleOf: 1 };
const prepare = (objective: Objective, source: ObjectiveSource, kind: Model['kind'] = 'encoder-decoder'): HostFields =>
  objective.prepare(source, { model: fakeModel(kind), random: createRandom(0), step: 0 });
const plain = (batch: HostFields, ...names: string[]): number[][] =>
  names.map((name) => Array.from(batch[name].values));
const upload = (batch: HostFields): Record<string, tf.Tensor> =>
  Object.fromEntries(
    Object.entries(batch).map(([k, { values, shape, dtype }]) => [k, tf.tensor(values, [...shape], dtype)]),
  );

beforeAll(() => openEngine({ mode: 'portable' }));

it('seq2seq gives the docstring example: a token of weight 0 is read but not learned', () => {
  const source = one({ source: int32([5, 6, 7]), target: int32([8, 9, 1]), weights: float32([0, 1, 0.5]) });
  const batch = prepare(new Seq2Seq(seq2seqOptions.parse({ padToMultipleOf: 4 })), source);
  expect(plain(batch, 'decoder_input_ids', 'labels', 'label_weights')).toEqual([
    [2, 8, 9, 1],
    [-100, 9, 1, -100],
    [0, 1, 0.5, 0],
  ]);
});

it('the labels of prefix-lm and causal-lm have the weights of their tokens', () => {
  const source = one({ tokens: int32([5, 6, 7, 8, 9, 1]), weights: float32([9, 1, 1, 0, 2, 3]) });
  const prefix = prepare(new PrefixLm(prefixLmOptions.parse(unpadded)), source);
  expect(plain(prefix, 'labels', 'label_weights')).toEqual([
    [-100, 9, 1],
    [0, 2, 3],
  ]);
  const next = prepare(new CausalLm(causalLmOptions.parse(unpadded)), source, 'decoder-only');
  expect(plain(next, 'labels', 'label_weights')).toEqual([
    [5, 6, 7, -100, 9, 1],
    [9, 1, 1, 0, 2, 3],
  ]);
});

it('ready batches may have weights, and rows without weights get 1', () => {
  const batch = { input_ids: int32([[3]]), labels: int32([[5, 6]]), label_weights: float32([[0, 2]]) };
  const seq2seq = new Seq2Seq(seq2seqOptions.parse(unpadded));
  expect(plain(prepare(seq2seq, { kind: 'batch', batch }), 'decoder_input_ids', 'labels')).toEqual([
    [2, 5],
    [-100, 6],
  ]);
  const examples: HostFields[] = [
    { source: int32([3]), target: int32([4, 1]), weights: float32([0.5, 0.5]) },
    { source: int32([3]), target: int32([1]) },
  ];
  expect(plain(prepare(seq2seq, { kind: 'examples', examples }), 'label_weights')).toEqual([[0.5, 0.5, 1, 0]]);
});

it('weights follow their tokens in rows with several sequences', () => {
  const apart = (kind: Model['kind']): Model => ({ ...fakeModel(kind), readsSegments: true });
  const of = (objective: Objective, source: ObjectiveSource, kind: Model['kind']): HostFields =>
    objective.prepare(source, { model: apart(kind), random: createRandom(0), step: 0 });
  const row = one({
    tokens: int32([5, 6, 7, 8, 9, 1, 0]),
    segments: int32([1, 1, 1, 1, 2, 2, 0]),
    weights: float32([9, 9, 0, 2, 9, 3, 7]),
  });
  expect(
    plain(of(new PrefixLm(prefixLmOptions.parse(unpadded)), row, 'encoder-decoder'), 'labels', 'label_weights'),
  ).toEqual([
    [-100, 8, 1],
    [0, 2, 3],
  ]);
  const next = of(new CausalLm(causalLmOptions.parse(unpadded)), row, 'decoder-only');
  const counts = Array.from(next.labels.values, (label, i) => [label, next.label_weights.values[i]]);
  expect(counts.filter(([label]) => label !== -100)).toEqual([
    [5, 9],
    [6, 9],
    [8, 2],
    [9, 9],
    [1, 3],
  ]);
  const pairs = one({
    source: int32([5, 6]),
    source_segments: int32([1, 2]),
    target: int32([7, 1, 8, 1, 0]),
    target_segments: int32([1, 1, 2, 2, 0]),
    weights: float32([0, 1, 0.5, 2, 4]),
  });
  const batch = of(new Seq2Seq(seq2seqOptions.parse(unpadded)), pairs, 'encoder-decoder');
  expect(plain(batch, 'decoder_input_ids', 'labels')).toEqual([
    [2, 7, 2, 8, 0],
    [-100, 1, 8, 1, -100],
  ]);
  expect(Array.from(batch.label_weights.values).slice(0, 4)).toEqual([0, 1, 0.5, 2]);
});

it.each<[string, ObjectiveSource, string]>([
  [
    'another length',
    one({ source: int32([3]), target: int32([4]), weights: float32([1, 1]) }),
    'has length 2, but "target" has 1',
  ],
  ['negative values', one({ source: int32([3]), target: int32([4]), weights: float32([-1]) }), '"weights" holds -1'],
  ['only zeros', one({ source: int32([3]), target: int32([4]), weights: float32([0]) }), 'nothing to learn from'],
  [
    'another shape',
    { kind: 'batch', batch: { input_ids: int32([[3]]), labels: int32([[5, 6]]), label_weights: float32([[1]]) } },
    '"label_weights" has shape [1, 1], but "labels" has [1, 2]',
  ],
])('weights with %s are refused', (_, source, message) => {
  expect(() => prepare(new Seq2Seq(seq2seqOptions.parse(unpadded)), source)).toThrow(message);
});

/** Double precision. */
function mean(logits: number[][], labels: number[], weights: number[], s: number, z: number): number {
  let [sum, total] = [0, 0];
  logits.forEach((row, i) => {
    if (labels[i] === -100) return;
    const log = Math.log(row.reduce((all, x) => all + Math.exp(x), 0));
    const even = row.reduce((all, x) => all + x, 0) / row.length;
    sum += weights[i] * (log - (1 - s) * row[labels[i]] - s * even + z * log * log);
    total += weights[i];
  });
  return sum / total;
}

it('the loss is the weighted mean, with label smoothing and z-loss weighted too', () => {
  const logits = [
    [0, 1, 2],
    [3, -1, 0.5],
    [1, 1, 1],
    [2, 0, 1],
  ];
  const [labels, weights] = [
    [2, 0, -100, 1],
    [0.5, 2, 7, 0.125],
  ];
  const { loss, count, weight } = maskedCrossEntropy(tf.tensor2d(logits), tf.tensor1d(labels, 'int32'), {
    weights: tf.tensor1d(weights),
    labelSmoothing: 0.1,
    zLoss: 0.01,
  });
  expect(loss.dataSync()[0]).toBeCloseTo(mean(logits, labels, weights, 0.1, 0.01), 5);
  expect([count.dataSync()[0], weight.dataSync()[0]]).toEqual([3, 2.625]);
});

const table = Array.from({ length: 12 }, (_, i) => Array.from({ length: 12 }, (_x, k) => Math.sin(i * 12 + k)));
const loss = { labelSmoothing: 0.1, zLoss: 0.01 };

it.each<[string, Objective, Model['kind']]>([
  ['seq2seq', new Seq2Seq(seq2seqOptions.parse(loss)), 'encoder-decoder'],
  ['prefix-lm', new PrefixLm(prefixLmOptions.parse(loss)), 'encoder-decoder'],
  ['ul2', new Ul2(ul2Options.parse({ ...loss, sentinels: { count: 2 } })), 'encoder-decoder'],
  ['causal-lm', new CausalLm(causalLmOptions.parse(loss)), 'decoder-only'],
])('label smoothing and z-loss of %s apply in training and not in evaluation', (_, objective, kind) => {
  const example = { tokens: int32([5, 6, 7, 8, 9, 1]), source: int32([5, 6]), target: int32([7, 8, 1]) };
  const batch = prepare(objective, one(example), kind);
  const read = kind === 'decoder-only' ? batch.input_ids : batch.decoder_input_ids;
  const logits = Array.from(read.values, (id) => table[id]);
  const labels = Array.from(batch.labels.values);
  const measure = (training: boolean): number =>
    objective.loss(fakeModel(kind), { table: tf.tensor2d(table) }, upload(batch), { training }).loss.dataSync()[0];
  const ones = labels.map(() => 1);
  expect(measure(true)).toBeCloseTo(mean(logits, labels, ones, 0.1, 0.01), 5);
  expect(measure(false)).toBeCloseTo(mean(logits, labels, ones, 0, 0), 5);
});
