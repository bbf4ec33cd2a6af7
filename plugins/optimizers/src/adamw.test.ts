import { createRandom } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { AdamW, adamwOptions, type ResolvedAdamWOptions } from './adamw';

type Vectors = Record<string, number[]>;
interface Reference {
  parameters: Vectors;
  m: Vectors;
  v: Vectors;
}

const SHAPES: Record<string, number[]> = { 'layer.weight': [2, 3], 'norm.weight': [3], 'embed_tokens.weight': [4, 2] };
const options = (given: object): ResolvedAdamWOptions => adamwOptions.parse({ learningRate: 0.01, ...given });

/** torch.optim.AdamW after clip_grad_norm_, in double precision, one element after the other. */
function referenceStep(
  before: Reference,
  gradients: Vectors,
  step: number,
  rate: number,
  o: ResolvedAdamWOptions,
  decaying: string[],
): Reference {
  const norm = Math.sqrt(
    Object.values(gradients)
      .flat()
      .reduce((sum, g) => sum + g * g, 0),
  );
  const clip = o.clipNorm === undefined ? 1 : Math.min(1, o.clipNorm / (norm + 1e-6));
  const [beta1, beta2] = o.betas;
  const after: Reference = { parameters: {}, m: {}, v: {} };
  for (const [name, values] of Object.entries(before.parameters)) {
    const g = gradients[name].map((x) => x * clip);
    after.m[name] = before.m[name].map((x, i) => beta1 * x + (1 - beta1) * g[i]);
    after.v[name] = before.v[name].map((x, i) => beta2 * x + (1 - beta2) * g[i] ** 2);
    after.parameters[name] = values.map((p, i) => {
      const decayed = decaying.includes(name) ? p * (1 - rate * o.weightDecay) : p;
      const denominator = Math.sqrt(after.v[name][i]) / Math.sqrt(1 - beta2 ** step) + o.epsilon;
      return decayed - (rate / (1 - beta1 ** step)) * (after.m[name][i] / denominator);
    });
  }
  return after;
}

describe.each(['portable', 'auto'] as const)('adamw, engine mode %s', (mode) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode });
  });

  it.each<[string, object, string[]]>([
    ['defaults', {}, []],
    ['betas whose first step needs high precision', { betas: [0.9, 0.9999], epsilon: 1e-12 }, []],
    ['no momentum', { betas: [0, 0] }, []],
    ['a large epsilon', { epsilon: 0.1 }, []],
    ['clipping', { clipNorm: 0.5 }, []],
    ['a clip norm that is never reached', { clipNorm: 1e6 }, []],
    ['weight decay, not of vectors', { weightDecay: 0.3 }, ['layer.weight', 'embed_tokens.weight']],
    ['weight decay of vectors too', { weightDecay: 0.3, decayVectors: true }, Object.keys(SHAPES)],
    ['weight decay with exceptions by name', { weightDecay: 0.3, noDecay: ['embed*'] }, ['layer.weight']],
  ])('ten steps agree with double precision: %s', (_, given, decaying) => {
    const o = options(given);
    const optimizer = new AdamW(o);
    const random = createRandom(5);
    const draw = (scale: number): Vectors =>
      Object.fromEntries(
        Object.entries(SHAPES).map(([name, shape]) => [
          name,
          Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(scale * random.normal())),
        ]),
      );
    const upload = (vectors: Vectors): Record<string, tf.Tensor> =>
      Object.fromEntries(Object.entries(vectors).map(([name, values]) => [name, tf.tensor(values, SHAPES[name])]));
    const zeros = Object.fromEntries(
      Object.keys(SHAPES).map((name) => [name, new Array<number>(SHAPES[name].reduce((a, b) => a * b, 1)).fill(0)]),
    );

    let expected: Reference = { parameters: draw(1), m: zeros, v: zeros };
    let parameters = upload(expected.parameters);
    let state = optimizer.init(parameters);
    const update = engine.jit(
      (p: typeof parameters, s: typeof state, g: typeof parameters, step: tf.Scalar, learningRate: tf.Scalar) => {
        const gradientNorm = tf.sqrt<tf.Scalar>(tf.addN(Object.values(g).map((x) => tf.sum(tf.square(x)))));
        return optimizer.update({ parameters: p, state: s, gradients: g, step, learningRate, gradientNorm });
      },
    );
    for (let step = 1; step <= 10; step++) {
      const rate = optimizer.learningRate * (step / 10);
      const gradients = draw(10 ** ((step % 4) - 2));
      ({ parameters, state } = update(parameters, state, upload(gradients), tf.scalar(step - 1), tf.scalar(rate)));
      expected = referenceStep(expected, gradients, step, rate, o, decaying);
      for (const name of Object.keys(SHAPES)) {
        const check = (tensor: tf.Tensor, wanted: number[], tolerance: number): void =>
          tensor
            .dataSync()
            .forEach((x, i) => expect(Math.abs(x - wanted[i])).toBeLessThan(tolerance * (1e-6 + Math.abs(wanted[i]))));
        check(state[`adamw.m/${name}`], expected.m[name], 1e-4);
        check(state[`adamw.v/${name}`], expected.v[name], 1e-5);
        parameters[name]
          .dataSync()
          .forEach((x, i) => expect(Math.abs(x - expected.parameters[name][i])).toBeLessThan(1e-6 * (1 + Math.abs(x))));
      }
    }
    expect(Object.keys(state).sort()).toEqual(
      Object.keys(SHAPES)
        .flatMap((name) => [`adamw.m/${name}`, `adamw.v/${name}`])
        .sort(),
    );
    update.dispose();
  });
});

describe('adamw', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));
  const one = (value: number): tf.Scalar => tf.scalar(value);

  it('a parameter without a gradient is unchanged, and so are its moments', () => {
    const optimizer = new AdamW(options({ weightDecay: 1 }));
    const parameters = { a: tf.tensor2d([[1]]), b: tf.tensor2d([[2]]) };
    const result = optimizer.update({
      parameters,
      gradients: { a: tf.tensor2d([[1]]) },
      state: optimizer.init(parameters),
      step: one(0),
      learningRate: one(0.1),
      gradientNorm: one(1),
    });
    expect(result.parameters.b).toBe(parameters.b);
    expect(result.state['adamw.v/b'].dataSync()[0]).toBe(0);
    expect(result.parameters.a.dataSync()[0]).toBeCloseTo(1 * 0.9 - 0.1, 5);
  });

  it('the state belongs to names, so that the order of parameters does not matter', () => {
    const optimizer = new AdamW(options({}));
    const parameters = { a: tf.tensor1d([1]), b: tf.tensor1d([2, 3]) };
    const gradients = { b: tf.tensor1d([1, 1]), a: tf.tensor1d([-1]) };
    const update = { gradients, step: one(0), learningRate: one(0.1), gradientNorm: one(1) };
    const forward = optimizer.update({ ...update, parameters, state: optimizer.init(parameters) });
    const reversed = { b: parameters.b, a: parameters.a };
    const backward = optimizer.update({ ...update, parameters: reversed, state: optimizer.init(reversed) });
    for (const name of ['a', 'b'] as const)
      expect(backward.parameters[name].dataSync()).toEqual(forward.parameters[name].dataSync());
    expect(forward.parameters.a.dataSync()[0]).toBeCloseTo(1.1, 5);
  });

  it('the error for missing moments names the parameter', () => {
    const parameters = { a: tf.tensor1d([1]) };
    const update = {
      parameters,
      gradients: parameters,
      state: {},
      step: one(0),
      learningRate: one(1),
      gradientNorm: one(1),
    };
    expect(() => new AdamW(options({})).update(update)).toThrow('AdamW has no moments for the parameter "a".');
  });

  it.each([
    { learningRate: 0 },
    { learningRate: 'fast' },
    { betas: [0.9] },
    { betas: [0.9, 1] },
    { epsilon: 0 },
    { clipNorm: 0 },
    { lr: 1 },
  ])('%j is refused', (given) => {
    expect(adamwOptions.safeParse({ learningRate: 1e-3, ...given }).success).toBe(false);
  });
});
