/** Several sequences in one row: each gives what it gives alone, and none shows in another. */
import type { HostArray, HostFields, Parameters } from '@graft/core';
import { createRandom } from '@graft/core';
import { openEngine, tf, valueAndGradients, type Engine, type EngineMode, type Jitted } from '@graft/engine';
import type { GemmaModel } from '@graft/gemma';
import { CausalLm, PrefixLm, Seq2Seq, Teacher, Ul2 } from '@graft/objectives';
import { SLOW_PJRT_MODES } from './reference';
import { ODD_SIDE, tinyGemma, tinyParameters } from '../../plugins/gemma/test-support/tiny-gemma';

/** float32: rounding of rotations, whose angles are larger further on in a row, and of sums over other lengths. */
const TOLERANCE = 2e-5;

const ids = (...values: number[]): HostArray => ({
  dtype: 'int32',
  shape: [values.length],
  values: Int32Array.from(values),
});
const PAIRS = [
  { source: [5, 6, 7, 8, 9, 10, 11, 12], target: [13, 14, 15, 1] },
  { source: [20], target: [21, 22, 23, 24, 25, 26, 1] },
  { source: [30, 31, 32, 30, 31, 32, 30], target: [33, 1] },
];
const numbered = (lists: readonly (readonly number[])[]): number[] => lists.flatMap((list, i) => list.map(() => i + 1));
const sources = PAIRS.map(({ source }) => source);
const targets = PAIRS.map(({ target }) => target);
/** Three positions at the end of each side are filling. */
const packed: HostFields = {
  source: ids(...sources.flat(), 0, 0, 0),
  source_segments: ids(...numbered(sources), 0, 0, 0),
  target: ids(...targets.flat(), 0, 0, 0),
  target_segments: ids(...numbered(targets), 0, 0, 0),
};
const alone: HostFields[] = PAIRS.map(({ source, target }) => ({ source: ids(...source), target: ids(...target) }));
const texts = [...sources.map((source, i) => [...source, ...targets[i]])];
const packedText: HostFields = { tokens: ids(...texts.flat(), 0, 0), segments: ids(...numbered(texts), 0, 0) };
const textsAlone: HostFields[] = texts.map((tokens) => ({ tokens: ids(...tokens) }));

const upload = (fields: HostFields): Record<string, tf.Tensor> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, { values, shape, dtype }]) => [name, tf.tensor(values, [...shape], dtype)]),
  );

interface Seen {
  readonly loss: number;
  readonly tokens: number;
  readonly logits: number[][];
  readonly gradients: Record<string, Float32Array>;
}

const EXACT = { padToMultipleOf: 1, labelSmoothing: 0, zLoss: 0 };
const OBJECTIVES = {
  seq2seq: {
    objective: new Seq2Seq({ ...EXACT, truncate: false }),
    ...{ packed, alone, kind: 'encoder-decoder' },
  },
  // Rows of few lengths, each of which XLA compiles.
  'padded seq2seq': {
    objective: new Seq2Seq({ ...EXACT, padToMultipleOf: 24, truncate: false }),
    ...{ packed, alone, kind: 'encoder-decoder' },
  },
  'prefix-lm': {
    objective: new PrefixLm({ ...EXACT, split: 'half' }),
    ...{ packed: packedText, alone: textsAlone, kind: 'encoder-decoder' },
  },
  // So much noise that nothing is left to chance: one token and a sentinel, and the rest.
  ul2: {
    objective: new Ul2({
      ...EXACT,
      preset: 'ul2',
      denoisers: [{ kind: 'span', rate: 0.99, meanSpan: 100, weight: 1 }],
      sentinels: { step: -1, count: 3 },
      modeTokens: {},
      appendEos: true,
    }),
    ...{ packed: packedText, alone: textsAlone, kind: 'encoder-decoder' },
  },
  'causal-lm': {
    objective: new CausalLm(EXACT),
    ...{ packed: packedText, alone: textsAlone, kind: 'decoder-only' },
  },
} as const;

type Compute = Jitted<
  [Parameters, Record<string, tf.Tensor>],
  { loss: tf.Scalar; gradients: Parameters; logits: tf.Tensor }
>;
type AnyObjective = (typeof OBJECTIVES)[keyof typeof OBJECTIVES]['objective'];

/** Forward and backward pass, compiled once for each shape. */
const compile = (engine: Engine, model: GemmaModel, objective: AnyObjective): Compute =>
  engine.jit(
    (own: Parameters, given: Record<string, tf.Tensor>) => {
      const { loss, gradients } = valueAndGradients(
        (p) => ({ loss: objective.loss(model, p, given, { training: true }).loss, auxiliary: {} }),
        own,
      );
      const { labels: _, ...inputs } = given;
      return { loss, gradients, logits: model.forward(own, inputs).logits as tf.Tensor };
    },
    { name: 'packed' },
  );

/** Of one row; logits of the labels that count, in order. */
async function look(
  compute: Compute,
  model: GemmaModel,
  parameters: Parameters,
  objective: AnyObjective,
  example: HostFields,
): Promise<Seen> {
  const source = { kind: 'examples', examples: [example] } as const;
  const fields = objective.prepare(source, { model, random: createRandom(0) });
  const batch = upload(fields);
  const { loss, gradients, logits } = await compute.async(parameters, batch);
  const labels = fields.labels.values;
  const flat = (await logits.data()) as Float32Array;
  const width = model.vocabularySize;
  const counted = [...labels.keys()].filter((i) => labels[i] !== -100);
  const seen = {
    loss: (await loss.data())[0],
    tokens: counted.length,
    logits: counted.map((i) => [...flat.subarray(i * width, (i + 1) * width)]),
    gradients: Object.fromEntries(
      await Promise.all(
        Object.entries(gradients).map(async ([name, value]) => [name, (await value.data()) as Float32Array] as const),
      ),
    ),
  };
  tf.dispose([loss, gradients, logits, batch] as unknown as tf.TensorContainer);
  return seen;
}

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - b[i])),
    a.length === b.length ? 0 : Infinity,
  );

describe.each<[EngineMode, keyof typeof OBJECTIVES, boolean]>([
  ['portable', 'seq2seq', false],
  ['graph', 'seq2seq', false],
  ['graph', 'prefix-lm', true],
  ['graph', 'causal-lm', false],
  ['graph', 'ul2', false],
  ['xla', 'padded seq2seq', false],
  ...SLOW_PJRT_MODES.flatMap((mode): [EngineMode, keyof typeof OBJECTIVES, boolean][] => [
    [mode, 'seq2seq', true],
    [mode, 'ul2', false],
  ]),
])('packed rows on the engine %s, %s (rematerialized: %s)', (mode, name, rematerialize) => {
  let compute: Compute;
  let model: GemmaModel;
  let parameters: Parameters;
  const { objective, packed: row, alone: rows, kind } = OBJECTIVES[name];

  beforeAll(async () => {
    const engine = await openEngine({ mode });
    model = tinyGemma({ kind, rematerialize: rematerialize ? 'block' : 'none', decoder: { ...ODD_SIDE, layers: 2 } });
    parameters = tinyParameters(model);
    compute = compile(engine, model, objective);
  });
  afterAll(() => {
    compute.dispose();
    tf.dispose(parameters);
  });

  it('a packed row gives the logits, loss and gradients of its sequences one by one', async () => {
    const together = await look(compute, model, parameters, objective, row);
    const each: Seen[] = [];
    for (const example of rows) each.push(await look(compute, model, parameters, objective, example));
    const tokens = each.reduce((sum, one) => sum + one.tokens, 0);
    const mean = (of: (one: Seen) => number): number =>
      each.reduce((sum, one) => sum + one.tokens * of(one), 0) / tokens;
    expect(together.tokens).toBe(tokens);
    expect(Math.abs(together.loss - mean(({ loss }) => loss))).toBeLessThan(TOLERANCE);
    expect(
      farthest(
        together.logits.flat(),
        each.flatMap(({ logits }) => logits.flat()),
      ),
    ).toBeLessThan(50 * TOLERANCE);
    for (const [parameter, gradient] of Object.entries(together.gradients)) {
      const expected = gradient.map((_, i) => mean(({ gradients }) => gradients[parameter][i]));
      const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      expect(farthest(gradient, expected) / scale).toBeLessThan(10 * TOLERANCE);
    }
  });

  it('a token changes nothing in another segment', async () => {
    const [first, second] = [await look(compute, model, parameters, objective, row), { ...row }];
    const field = 'source' in row ? 'source' : 'tokens';
    const values = Int32Array.from(row[field].values);
    values[0] = 36;
    second[field] = { ...row[field], values };
    const changed = await look(compute, model, parameters, objective, second);
    const ofFirst = (await look(compute, model, parameters, objective, rows[0])).tokens;
    expect(changed.logits.slice(ofFirst)).toEqual(first.logits.slice(ofFirst));
    expect(farthest(changed.logits.slice(0, ofFirst).flat(), first.logits.slice(0, ofFirst).flat())).toBeGreaterThan(
      1e-3,
    );
  });
});

it('a teacher in the step gives a packed row the losses of its sequences one by one, with label weights', async () => {
  await openEngine({ mode: 'portable' });
  const weightsOf = (tokens: HostFields[string]): HostArray => ({
    dtype: 'float32',
    shape: tokens.shape,
    // 0 now and then: what is not learnt is read all the same, by the teacher too.
    values: Float32Array.from(tokens.values, (id) => (id % 4) / 2),
  });
  const weighted = (example: HostFields): HostFields => ({ ...example, weights: weightsOf(example.tokens) });
  const student = tinyGemma({ kind: 'encoder-decoder', decoder: { ...ODD_SIDE, layers: 2 } });
  const taught = tinyGemma({ kind: 'decoder-only', decoder: { ...ODD_SIDE, layers: 2 } });
  const teacher = new Teacher(taught, tinyParameters(taught, 5), { alpha: 0.3, temperature: 2 });
  const objective = new PrefixLm({ ...EXACT, split: 'half' }, teacher);
  const parameters = tinyParameters(student);
  const lossOf = (example: HostFields): { loss: number; divergence: number; weight: number } => {
    const source = { kind: 'examples', examples: [weighted(example)] } as const;
    const fields = objective.prepare(source, { model: student, random: createRandom(0), step: 0 });
    return tf.tidy(() => {
      const { loss, metrics, weight } = objective.loss(student, parameters, upload(fields), { training: true });
      const [a, b, c] = [loss, metrics!.divergence, weight!].map((one) => one.dataSync()[0]);
      return { loss: a, divergence: b, weight: c };
    });
  };
  const together = lossOf(packedText);
  const each = textsAlone.map(lossOf);
  const total = each.reduce((sum, { weight }) => sum + weight, 0);
  expect(together.weight).toBeCloseTo(total, 6);
  for (const name of ['loss', 'divergence'] as const) {
    const mean = each.reduce((sum, one) => sum + (one.weight * one[name]) / total, 0);
    expect(mean).toBeGreaterThan(0.01);
    expect(Math.abs(together[name] - mean)).toBeLessThan(TOLERANCE);
  }
  tf.dispose(parameters);
  objective.dispose();
});
