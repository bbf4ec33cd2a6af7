import { openEngine, tf, type Engine } from '@graft/engine';
import { follow, leavesAlone, norm, SHAPES, type ReferenceStep } from '../test-support/reference-steps';
import { Adafactor, adafactorOptions, type ResolvedAdafactorOptions } from './adafactor';

const options = (given: object): ResolvedAdafactorOptions => adafactorOptions.parse({ learningRate: 0.05, ...given });
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const rms = (values: readonly number[]): number => Math.sqrt(mean(values.map((x) => x * x)));

function reference(o: ResolvedAdafactorOptions, decaying: readonly string[]): ReferenceStep {
  const kept: Record<string, number[]> = {};
  const mix = (name: string, now: number[], beta: number): number[] => {
    const before = kept[name] ?? now.map(() => 0);
    return (kept[name] = now.map((x, i) => beta * before[i] + (1 - beta) * x));
  };
  return (parameters, gradients, step, learningRate) => {
    const clip = o.clipNorm === undefined ? 1 : Math.min(1, o.clipNorm / (norm(gradients) + 1e-6));
    const beta2 = 1 - step ** -o.decayExponent;
    return Object.fromEntries(
      Object.entries(parameters).map(([name, values]) => {
        const g = gradients[name].map((x) => x * clip);
        const square = g.map((x) => x * x + o.epsilon);
        const [rows, columns] = SHAPES[name];
        let second: number[];
        if (SHAPES[name].length === 2) {
          const at = (row: number, column: number): number => square[row * columns + column];
          const indices = (length: number): number[] => Array.from({ length }, (_, i) => i);
          const row = mix(
            `row ${name}`,
            indices(rows).map((r) => mean(indices(columns).map((c) => at(r, c)))),
            beta2,
          );
          const column = mix(
            `col ${name}`,
            indices(columns).map((c) => mean(indices(rows).map((r) => at(r, c)))),
            beta2,
          );
          second = g.map((_, i) => (row[Math.floor(i / columns)] * column[i % columns]) / mean(row));
        } else second = mix(`v ${name}`, square, beta2);
        const scaled = g.map((x, i) => x / Math.sqrt(second[i]));
        const limit = Math.max(1, rms(scaled) / o.clipThreshold);
        const rate = learningRate * (o.scaleParameter ? Math.max(o.leastScale, rms(values)) : 1);
        let change = scaled.map((x) => (rate * x) / limit);
        if (o.beta1 !== undefined) change = mix(`m ${name}`, change, o.beta1);
        const keep = decaying.includes(name) ? 1 - rate * o.weightDecay : 1;
        return [name, values.map((p, i) => p * keep - change[i])];
      }),
    );
  };
}

describe.each(['portable', 'auto'] as const)('adafactor, engine mode %s', (mode) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode });
  });

  it.each<[string, object, string[]]>([
    ['defaults', {}, []],
    ['a first moment', { beta1: 0.9 }, []],
    ['a learning rate without scaling', { scaleParameter: false }, []],
    ['another exponent and threshold', { decayExponent: 0.5, clipThreshold: 0.3 }, []],
    ['clipping', { clipNorm: 0.5 }, []],
    ['weight decay', { weightDecay: 0.3 }, ['layer.weight', 'embed_tokens.weight']],
  ])('ten steps agree with double precision: %s', (_, given, decaying) => {
    const o = options(given);
    follow(engine, new Adafactor(o), reference(o, decaying), 1e-5);
  });

  it('a large gradient in one row leaves the rows without a gradient finite and unchanged', async () => {
    const optimizer = new Adafactor(options({ learningRate: 1, scaleParameter: false, clipThreshold: 100 }));
    const embedding = tf.zeros([1000, 4]);
    const gradient = tf.buffer<tf.Rank.R2>([1000, 4]);
    for (let column = 0; column < 4; column++) gradient.set(1e5, 7, column);
    const gradients = { embedding: gradient.toTensor() };
    const step = engine.jit((given: typeof gradients) =>
      optimizer.update({
        parameters: { embedding },
        gradients: given,
        state: optimizer.init({ embedding }),
        step: tf.scalar(0),
        learningRate: tf.scalar(1),
        gradientNorm: tf.scalar(2e5),
      }),
    );
    const after = (await step(gradients).parameters.embedding.array()) as number[][];
    // The second moment's row and column are the square and its thousandth, their product over the mean the square.
    after.forEach((row, i) => row.forEach((value) => expect(value).toBeCloseTo(i === 7 ? -1 : 0, 4)));
    step.dispose();
  });
});

describe('adafactor', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  it('a parameter without a gradient is unchanged', () => leavesAlone(new Adafactor(options({ beta1: 0.9 }))));

  it('the state of a matrix is its rows and columns, and the state of a vector is the whole vector', () => {
    const state = new Adafactor(options({})).init({ a: tf.zeros([200, 300]), b: tf.zeros([7]) });
    expect(Object.entries(state).map(([name, { shape }]) => [name, shape])).toEqual([
      ['adafactor.row/a', [200]],
      ['adafactor.column/a', [300]],
      ['adafactor.v/b', [7]],
    ]);
  });

  it.each([{ learningRate: 0 }, { decayExponent: 2 }, { beta1: 1 }, { betas: [0, 0] }])('%j is refused', (given) => {
    expect(adafactorOptions.safeParse({ learningRate: 1, ...given }).success).toBe(false);
  });
});
