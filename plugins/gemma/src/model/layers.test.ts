import { openEngine, random, tf } from '@graft/engine';
import type { SideConfig } from './config-types';
import { NO_DROPOUT } from './dropout-rates';
import { attend, attendParts, gatedGelu, queryScale, rmsNorm, rope, softCappedLogits, toHeadsFirst } from './layers';
import { embed } from './embedding';
import { paddingMask, MASKED } from './masks';
import { ropeTables } from './rotary';
import { numbers } from '../../test-support/tiny-gemma';

const tensor = (seed: number, ...shape: number[]): tf.Tensor =>
  tf.tensor(
    numbers(
      seed,
      shape.reduce((a, b) => a * b, 1),
    ),
    shape,
  );

type Fn = (...inputs: tf.Tensor[]) => tf.Tensor;

/** Values and gradients of both, under a random upstream gradient. Float32 on both sides. */
function expectSame(fn: Fn, plain: Fn, inputs: tf.Tensor[], tolerance = 2e-5): void {
  const [value, expected] = [fn(...inputs), plain(...inputs)];
  expect(value.shape).toEqual(expected.shape);
  const upstream = tensor(99, ...value.shape);
  const [got, wanted] = [fn, plain].map((f) => tf.grads((...x: tf.Tensor[]) => f(...x))(inputs, upstream));
  for (const [i, [a, b]] of [[value, expected] as const, ...got.map((g, k) => [g, wanted[k]] as const)].entries()) {
    const scale = Math.max(1, ...b.abs().dataSync());
    const worst = Math.max(...a.sub(b).abs().dataSync()) / scale;
    if (!(worst < tolerance))
      throw new Error(`${i === 0 ? 'The value' : `The gradient of input ${i - 1}`} is off by ${worst}.`);
  }
}

describe('hand-written gradients', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  test('rmsNorm has the value and gradients of plain operations', () => {
    const plain: Fn = (x, w) => x.mul(x.square().mean(1, true).add(1e-6).rsqrt()).mul(w.add(1));
    expectSame((x, w) => rmsNorm(x, w, 1e-6), plain, [tensor(1, 5, 7), tensor(2, 7)]);
  });

  test('gatedGelu has the value and gradients of plain operations', () => {
    const plain: Fn = (g, u) => {
      const inner = g.add(g.mul(g).mul(g).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
      return g.mul(0.5).mul(inner.tanh().add(1)).mul(u);
    };
    expectSame(gatedGelu, plain, [tensor(1, 4, 9).mul(4), tensor(2, 4, 9)]);
  });

  test('scaled rope has the value and gradients of plain operations', () => {
    const [length, width] = [5, 6];
    const tables = ropeTables(length, width, { theta: 100 }, 0.7);
    const plain: Fn = (x) => {
      const angles = tf
        .range(0, length)
        .reshape([length, 1, 1])
        .mul(tf.pow(100, tf.tensor1d([0, -2 / 6, -4 / 6]))); // [T, 1, C/2]
      const [a, b] = tf.split(x, 2, -1);
      return tf
        .concat([a.mul(angles.cos()).sub(b.mul(angles.sin())), b.mul(angles.cos()).add(a.mul(angles.sin()))], -1)
        .mul(0.7);
    };
    expectSame((x) => rope(x, tables), plain, [tensor(1, 2, length, 3, width)]);
  });

  test.each([
    [1, 50, 0],
    [3, 50, 0],
    [3, null, 0],
    [1, null, 0],
    [1, 50, 0.4],
    [3, 50, 0.4],
    [3, null, 0.4],
  ])('attend agrees with plain operations: %d query heads per key head, cap %s, dropout %d', (group, cap, rate) => {
    const [batch, targets, sources, keyHeads, width] = [2, 4, 5, 2, 6];
    const side = {
      heads: keyHeads * group,
      keyValueHeads: keyHeads,
      headDim: width,
      attentionSoftCap: cap,
      queryPreAttentionScalar: 3,
    } as SideConfig;
    const padding = tf.tensor2d([1, 1, 0, 1, 1, 0, 0, 0, 0, 0], [2, 5], 'int32');
    const dropout = { rates: { ...NO_DROPOUT, attentionDropout: rate }, key: random.key(3), batch };
    const fn: Fn = (q, k, v) =>
      attend(side, q.mul(queryScale(side)), toHeadsFirst(k), toHeadsFirst(v), paddingMask(padding), dropout);
    const plain: Fn = (q, k, v) => {
      // Key head k serves query heads k*group .. k*group + group - 1.
      const served = tf
        .range(0, keyHeads * group, 1, 'int32')
        .div(tf.scalar(group, 'int32'))
        .toInt() as tf.Tensor1D;
      const repeated = (x: tf.Tensor): tf.Tensor => tf.transpose(tf.gather(x, served, 2), [0, 2, 1, 3]);
      let scores = tf.matMul(tf.transpose(q, [0, 2, 1, 3]), repeated(k), false, true).mul(3 ** -0.5);
      if (cap !== null) scores = scores.div(cap).tanh().mul(cap);
      const hidden = padding.equal(0).toFloat().mul(MASKED).reshape([batch, 1, 1, sources]);
      const kept = random.dropoutMask(dropout.key, [batch, keyHeads, group * targets, sources], rate);
      const probabilities = tf.softmax(scores.add(hidden)).mul(kept.reshape(scores.shape));
      const mixed = tf.matMul(probabilities, repeated(v));
      return tf.transpose(mixed, [0, 2, 1, 3]).reshape([batch * targets, keyHeads * group * width]);
    };
    // Large scores, so that the cap bends them.
    const q = tensor(1, batch, targets, keyHeads * group, width).mul(9);
    expectSame(fn, plain, [
      q,
      tensor(2, batch, sources, keyHeads, width).mul(9),
      tensor(3, batch, sources, keyHeads, width),
    ]);
  });

  test('softCappedLogits has the value and gradients of plain operations', () => {
    const plain: Fn = (x, w) =>
      tf
        .matMul(x as tf.Tensor2D, w as tf.Tensor2D, false, true)
        .div(3)
        .tanh()
        .mul(3);
    expectSame((x, w) => softCappedLogits(x, w, 3), plain, [tensor(1, 4, 6).mul(3), tensor(2, 11, 6)]);
    expectSame(
      (x, w) => softCappedLogits(x, w, null),
      (x, w) => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D, false, true),
      [tensor(1, 4, 6), tensor(2, 11, 6)],
    );
  });

  test('embed gives the pad row no gradient, and every other row the sum over its positions', () => {
    const ids = tf.tensor1d([3, 0, 3, 1, 0], 'int32');
    const table = tensor(1, 5, 4);
    const rows = embed(table, ids, 0);
    expect(Array.from(rows.slice([0, 0], [1, 4]).dataSync())).toEqual(
      Array.from(table.slice([3, 0], [1, 4]).mul(2).dataSync()),
    );
    const upstream = tensor(2, 5, 4);
    const gradient = tf
      .grad((t: tf.Tensor) => embed(t, ids, 0))(table, upstream)
      .arraySync() as number[][];
    const up = upstream.arraySync() as number[][];
    expect(gradient[0]).toEqual([0, 0, 0, 0]);
    expect(gradient[2]).toEqual([0, 0, 0, 0]);
    gradient[3].forEach((value, i) => expect(value).toBeCloseTo(2 * (up[0][i] + up[2][i]), 5));
  });
});

describe('attention over stored parts', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const [BATCH, SOURCES, KEY_HEADS, WIDTH] = [2, 5, 2, 6];

  test.each([
    [1, 50],
    [3, 50],
    [3, null],
  ])('transposed keys and padded slots change nothing, with %d query heads per key head and cap %s', (group, cap) => {
    const side = {
      heads: KEY_HEADS * group,
      keyValueHeads: KEY_HEADS,
      headDim: WIDTH,
      attentionSoftCap: cap,
    } as SideConfig;
    const q = tensor(1, BATCH, 1, side.heads, WIDTH);
    const keys = tensor(2, BATCH, KEY_HEADS, SOURCES, WIDTH).mul(9);
    const values = tensor(3, BATCH, KEY_HEADS, SOURCES, WIDTH);
    // The second row sees nothing, which makes it the mean of its five values (quirk 3).
    const mask = paddingMask(tf.tensor2d([1, 1, 0, 1, 1, 0, 0, 0, 0, 0], [BATCH, SOURCES], 'int32'));
    const expected = attend(side, q, keys, values, mask);
    const fill = (x: tf.Tensor): tf.Tensor => tf.pad(x, [[0, 0], [0, 0], [0, 3], [0, 0]]); // prettier-ignore
    const transposed = tf.transpose(fill(keys), [0, 1, 3, 2]);
    const got = attendParts(side, q, [{ keys: transposed, transposed: true, values: fill(values), mask }]);
    expect(got.shape).toEqual(expected.shape);
    expect(Math.max(...got.sub(expected).abs().dataSync())).toBeLessThan(2e-6);
  });

  test('attention over two parts equals attention over one', () => {
    const side = { heads: 4, keyValueHeads: KEY_HEADS, headDim: WIDTH, attentionSoftCap: 50 } as SideConfig;
    const q = tensor(1, BATCH, 1, side.heads, WIDTH);
    const [keys, values] = [2, 3].map((seed) => tensor(seed, BATCH, KEY_HEADS, SOURCES, WIDTH).mul(9));
    const cut = (x: tf.Tensor, from: number, size: number): tf.Tensor =>
      tf.slice(x, [0, 0, from, 0], [BATCH, KEY_HEADS, size, WIDTH]);
    const expected = attend(side, q, keys, values, undefined);
    const parts = [
      {
        keys: tf.transpose(cut(keys, 0, 3), [0, 1, 3, 2]),
        transposed: true,
        values: cut(values, 0, 3),
        mask: undefined,
      },
      { keys: cut(keys, 3, 2), values: cut(values, 3, 2), mask: undefined },
    ];
    expect(Math.max(...attendParts(side, q, parts).sub(expected).abs().dataSync())).toBeLessThan(1e-5);
  });
});
