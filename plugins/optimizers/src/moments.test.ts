import { createRandom, namedKey, type OptimizerState, type OptimizerUpdate } from '@graft/core';
import { openEngine, random, tf, unpackBfloat16, unpackIntegers, type Engine } from '@graft/engine';
import { cpuPluginFile, elementCount } from '@graft/engine/internal';
import { AdamW, type AdamWOptions } from './adamw';
import { Adafactor } from './adafactor';
import { Lion } from './lion';

const pjrt = cpuPluginFile();
const modes = ['portable', 'auto', ...(pjrt === undefined ? [] : (['pjrt'] as const))] as const;

const NAME = 'layer.weight';
/** Two whole blocks of 256 numbers in a row, and part of one. */
const SHAPE = [12, 600];
const SIZE = elementCount(SHAPE);
const RATE = 0.01;

/** The numbers of the codes, by the documented formulas in double precision. */
const CUBES = Array.from({ length: 128 }, (_, code) => (code / 127) ** 3);
const POWERS = Array.from({ length: 256 }, (_, code) => (code === 0 ? 0 : 2 ** ((32 * (code - 255)) / 254)));

const blockOf = (i: number): number => Math.floor((i % SHAPE[1]) / 256) + 3 * Math.floor(i / SHAPE[1]);

/** Blockwise quantization in double precision: the codes, and the scales. `drawn` decides between two neighbours. */
function quantized(values: readonly number[], numbers: readonly number[], drawn: (i: number) => number) {
  const scales = new Array<number>(3 * SHAPE[0]).fill(0);
  values.forEach((value, i) => (scales[blockOf(i)] = Math.max(scales[blockOf(i)], Math.abs(value))));
  const codes = values.map((value, i) => {
    const relative = scales[blockOf(i)] === 0 ? 0 : Math.abs(value) / scales[blockOf(i)];
    let below = numbers.filter((number) => number <= relative).length - 1;
    if (numbers === POWERS && relative > 0) below = Math.max(1, below);
    if (below === numbers.length - 1) return Math.sign(value) * below;
    const share = (relative - numbers[below]) / (numbers[below + 1] - numbers[below]);
    return Math.sign(value) * (below + (drawn(i) < share ? 1 : 0));
  });
  return { codes, scales };
}

const dequantized = (codes: readonly number[], scales: readonly number[], numbers: readonly number[]): number[] =>
  codes.map((code, i) => Math.sign(code) * numbers[Math.abs(code)] * scales[blockOf(i)]);

const array = async (tensor: tf.Tensor): Promise<number[]> => Array.from(await tensor.data());

/** Gradients of very different sizes, a row without any, and a column that is always 0. */
const gradientAt = (step: number): Float32Array => {
  const draws = createRandom(3).fork(step);
  return Float32Array.from({ length: SIZE }, (_, i) =>
    i < SHAPE[1] || i % SHAPE[1] === 7 ? 0 : draws.normal() * 10 ** -(i % 5),
  );
};

async function updateOf(step: number, parameters: tf.Tensor, state: OptimizerState): Promise<OptimizerUpdate> {
  return {
    gradients: { [NAME]: tf.tensor(gradientAt(step), SHAPE) },
    parameters: { [NAME]: parameters },
    state,
    step: tf.scalar(step),
    learningRate: tf.scalar(RATE),
    gradientNorm: tf.scalar(1),
    randomKey: random.atRow(random.key([step, 9]), 0),
  };
}

describe.each(modes)('moments of adamw on the engine %s', (mode) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode, plugin: mode === 'pjrt' ? pjrt : undefined });
  });

  it('8-bit moments follow the blockwise reference in double precision, code by code', async () => {
    const optimizer = new AdamW({ learningRate: RATE, moments: 'int8' });
    const compiled = engine.jit((update: OptimizerUpdate) => optimizer.update(update), { name: 'update' });
    let parameters: tf.Tensor = tf.ones(SHAPE);
    let state = optimizer.init({ [NAME]: parameters });
    for (let step = 0; step < 5; step++) {
      const update = await updateOf(step, parameters, state);
      const [m, v] = await Promise.all(
        (['m', 'v'] as const).map(async (kind) => {
          const codes = await array(unpackIntegers(state[`adamw.${kind}/${NAME}`], kind === 'm' ? 'int8' : 'uint8'));
          const scales = await array(state[`adamw.${kind}.scale/${NAME}`]);
          return dequantized(codes, scales, kind === 'm' ? CUBES : POWERS);
        }),
      );
      const g = gradientAt(step);
      const nextM = m.map((value, i) => 0.9 * value + 0.1 * g[i]);
      const nextV = v.map((value, i) => 0.999 * value + 0.001 * g[i] ** 2);
      const before = await array(parameters);
      const expected = before.map((p, i) => {
        const denominator = Math.sqrt(nextV[i] / (1 - 0.999 ** (step + 1))) + 1e-8;
        return p - (RATE * nextM[i]) / (1 - 0.9 ** (step + 1)) / denominator;
      });
      const after = compiled(update as never) as unknown as ReturnType<AdamW['update']>;
      const got = await array(after.parameters[NAME]);
      expect(Math.max(...got.map((value, i) => Math.abs(value - expected[i])))).toBeLessThan(2e-6);
      for (const [kind, values, numbers, as] of [
        ['m', nextM, CUBES, 'int8'],
        ['v', nextV, POWERS, 'uint8'],
      ] as const) {
        const key = namedKey(update.randomKey!, `adamw.${kind}/${NAME}`);
        const drawn = await array(random.uniform(key, [SHAPE[0], 3, 256]));
        const place = (i: number): number => 768 * Math.floor(i / SHAPE[1]) + (i % SHAPE[1]);
        const reference = quantized(values, numbers, (i) => drawn[place(i)]);
        const codes = await array(unpackIntegers(after.state[`adamw.${kind}/${NAME}`], as));
        const differences = codes.map((code, i) => Math.abs(code - reference.codes[i]));
        // float32 and double precision may fall on two sides of a draw.
        expect(Math.max(...differences)).toBeLessThanOrEqual(1);
        expect(differences.filter((one) => one > 0).length).toBeLessThan(SIZE / 200);
        const scales = await array(after.state[`adamw.${kind}.scale/${NAME}`]);
        scales.forEach((scale, i) => expect(scale).toBeCloseTo(reference.scales[i], 5));
      }
      ({ parameters, state } = { parameters: after.parameters[NAME], state: after.state });
    }
    compiled.dispose();
  });

  it('bfloat16 moments are one of the two numbers next to the exact ones, and on average the exact ones', async () => {
    const optimizer = new AdamW({ learningRate: RATE, moments: 'bfloat16', betas: [0.9, 0.999] });
    const compiled = engine.jit((update: OptimizerUpdate) => optimizer.update(update), { name: 'update' });
    const state = optimizer.init({ [NAME]: tf.ones(SHAPE) });
    const after = compiled((await updateOf(1, tf.ones(SHAPE), state)) as never) as unknown as { state: OptimizerState };
    const got = await array(unpackBfloat16(after.state[`adamw.m/${NAME}`]));
    const ratios = [...gradientAt(1)].flatMap((g, i) => (g === 0 ? [] : [got[i] / (0.1 * g)]));
    expect(Math.max(...ratios.map((ratio) => Math.abs(ratio - 1)))).toBeLessThan(2 ** -7);
    expect(ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length).toBeCloseTo(1, 3);
    compiled.dispose();
  });

  it('the loss falls as with float32 moments, to within a tenth', async () => {
    const losses = async (moments?: AdamWOptions['moments']): Promise<number[]> => {
      const optimizer = new AdamW({ learningRate: 0.02, ...(moments && { moments }) });
      const draws = createRandom(11);
      const normal = (name: string, shape: [number, number]): tf.Tensor2D => {
        const values = new Float32Array(elementCount(shape));
        draws.fork(name).fillNormal(values, 1);
        return tf.tensor2d(values, shape);
      };
      const [x, truth, noise] = [normal('x', [128, 64]), normal('truth', [64, 64]), normal('noise', [128, 64])];
      const y = tf.add<tf.Tensor2D>(tf.matMul(x, truth), tf.mul(noise, 0.1));
      const step = engine.jit(
        (w: tf.Tensor, state: OptimizerState, done: tf.Scalar, randomKey: tf.Tensor1D) => {
          const lossOf = (weights: tf.Tensor): tf.Scalar =>
            tf.mean(tf.square(tf.sub(tf.matMul(x, weights as tf.Tensor2D), y)));
          const { value, grads } = tf.valueAndGrads((weights: tf.Tensor) => lossOf(weights))([w]);
          const common = { learningRate: tf.scalar(0.02), gradientNorm: tf.scalar(1), randomKey };
          const update = { ...common, gradients: { w: grads[0] }, parameters: { w }, state, step: done };
          return { value, ...optimizer.update(update) };
        },
        { name: 'step' },
      );
      let w: tf.Tensor = tf.zeros([64, 64]);
      let state = optimizer.init({ w });
      const values: number[] = [];
      for (let done = 0; done < 150; done++) {
        const after = step(w, state, tf.scalar(done), random.atRow(random.key([done, 1]), 0));
        values.push((await after.value.data())[0]);
        [w, state] = [after.parameters.w, after.state];
      }
      step.dispose();
      return values;
    };
    const plain = await losses();
    expect(plain.at(-1)! / plain[0]).toBeLessThan(0.05);
    for (const moments of ['bfloat16', 'int8'] as const) {
      const narrow = await losses(moments);
      const worst = Math.max(...narrow.map((loss, i) => Math.abs(loss - plain[i]) / plain[i]));
      expect([moments, worst < 0.1]).toEqual([moments, true]);
    }
  });
});

describe('the state of optimizers', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));
  const LARGE = [256, 512];
  const bytes = (state: OptimizerState): number =>
    Object.values(state).reduce((sum, { size }) => sum + 4 * size, 0) / elementCount(LARGE);

  it.each([
    ['adamw with float32 moments', new AdamW({ learningRate: 1 }), 8],
    ['adamw with bfloat16 moments', new AdamW({ learningRate: 1, moments: 'bfloat16' }), 4],
    ['adamw with 8-bit moments and their scales', new AdamW({ learningRate: 1, moments: 'int8' }), 2 + 8 / 256],
    ['adafactor', new Adafactor({ learningRate: 1 }), (4 * (256 + 512)) / (256 * 512)],
    ['adafactor with a first moment', new Adafactor({ learningRate: 1, beta1: 0.9 }), 4 + (4 * 768) / (256 * 512)],
    ['lion', new Lion({ learningRate: 1 }), 4],
  ])('of %s takes the bytes for each parameter that it declares', (_, optimizer, expected) => {
    const state = optimizer.init({ w: tf.ones(LARGE) });
    expect(bytes(state)).toBeCloseTo(expected, 10);
    const declared = optimizer.stateOf('w', LARGE).map(({ dtype, shape }) => `${dtype} ${shape.join()}`);
    expect(declared).toEqual(Object.values(state).map(({ dtype, shape }) => `${dtype} ${shape.join()}`));
  });

  it.each([
    [[4096], 'a vector'],
    [[8, 64], 'a small matrix'],
    [[100, 99], 'a matrix whose rows do not fill words'],
  ])('8-bit moments keep %j, %s, in float32', (shape) => {
    const state = new AdamW({ learningRate: 1, moments: 'int8' }).init({ w: tf.ones(shape) });
    expect(Object.entries(state).map(([key, { dtype }]) => [key, dtype])).toEqual([
      ['adamw.m/w', 'float32'],
      ['adamw.v/w', 'float32'],
    ]);
  });
});
