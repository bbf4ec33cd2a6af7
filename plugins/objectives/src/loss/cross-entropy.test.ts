import { openEngine, tf, valueAndGradients, type Engine } from '@graft/engine';
import fc from 'fast-check';
import { maskedCrossEntropy } from '@graft/core';
import { chunkedCrossEntropy } from './cross-entropy';

/** The same in double precision, with its gradient. */
function reference(
  logits: number[][],
  labels: number[],
  { labelSmoothing: s = 0, zLoss: z = 0 } = {},
): { loss: number; count: number; gradient: number[][] } {
  const count = labels.filter((label) => label !== -100).length;
  let loss = 0;
  const gradient = logits.map((row, i) => {
    if (labels[i] === -100) return row.map(() => 0);
    const peak = Math.max(...row);
    const total = row.reduce((sum, x) => sum + Math.exp(x - peak), 0);
    const log = Math.log(total) + peak;
    const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
    loss += (log - (1 - s) * row[labels[i]] - s * mean + z * log * log) / count;
    return row.map(
      (x, k) =>
        ((Math.exp(x - peak) / total) * (1 + 2 * z * log) - (k === labels[i] ? 1 - s : 0) - s / row.length) / count,
    );
  });
  return { loss, count, gradient };
}

const cases = fc
  .record({ rows: fc.integer({ min: 1, max: 6 }), vocabulary: fc.integer({ min: 2, max: 9 }) })
  .chain(({ rows, vocabulary }) =>
    fc.record({
      logits: fc.array(
        fc.array(
          fc.integer({ min: -300, max: 300 }).map((x) => x / 10),
          { minLength: vocabulary, maxLength: vocabulary },
        ),
        {
          minLength: rows,
          maxLength: rows,
        },
      ),
      labels: fc.array(fc.oneof(fc.integer({ min: 0, max: vocabulary - 1 }), fc.constant(-100)), {
        minLength: rows,
        maxLength: rows,
      }),
    }),
  );

describe.each(['portable', 'auto'] as const)('maskedCrossEntropy, engine mode %s', (mode) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode });
  });

  it('the loss gives the docstring example', () => {
    const logits = tf.tensor3d([
      [
        [0, 0],
        [0, Math.log(3)],
        [9, 9],
      ],
    ]);
    const { loss, count } = maskedCrossEntropy(logits, tf.tensor2d([[1, 0, -100]], [1, 3], 'int32'));
    expect(loss.dataSync()[0]).toBeCloseTo((Math.log(2) + Math.log(4)) / 2, 6);
    expect(count.dataSync()[0]).toBe(2);
    expect(loss.shape).toEqual([]);
  });

  it('value and gradient agree with double precision', () => {
    fc.assert(
      fc.property(cases, ({ logits, labels }) =>
        tf.tidy(() => {
          const expected = reference(logits, labels);
          const y = tf.tensor1d(labels, 'int32');
          const { value, grad } = tf.valueAndGrad((x) => maskedCrossEntropy(x, y).loss)(tf.tensor2d(logits));
          expect(Math.abs(value.dataSync()[0] - expected.loss)).toBeLessThan(1e-5 * (1 + expected.loss));
          const flat = expected.gradient.flat();
          grad.dataSync().forEach((g, i) => expect(Math.abs(g - flat[i])).toBeLessThan(2e-6));
        }),
      ),
      { numRuns: 25 },
    );
  });

  it.each([{ labelSmoothing: 0.1 }, { zLoss: 0.01 }, { labelSmoothing: 0.2, zLoss: 0.003 }])(
    'label smoothing and z-loss agree with double precision: %j',
    (settings) => {
      fc.assert(
        fc.property(cases, ({ logits, labels }) =>
          tf.tidy(() => {
            const expected = reference(logits, labels, settings);
            const y = tf.tensor1d(labels, 'int32');
            const { value, grad } = tf.valueAndGrad((x) => maskedCrossEntropy(x, y, settings).loss)(
              tf.tensor2d(logits),
            );
            expect(Math.abs(value.dataSync()[0] - expected.loss)).toBeLessThan(1e-5 * (1 + expected.loss));
            const flat = expected.gradient.flat();
            grad.dataSync().forEach((g, i) => expect(Math.abs(g - flat[i])).toBeLessThan(5e-6));
          }),
        ),
        { numRuns: 10 },
      );
    },
  );

  it.each([1, 3, 7, 100])(
    'the loss in chunks of %i tokens is the same, with the gradients of rows and table',
    (chunkTokens) => {
      const [rows, table] = [tf.randomNormal([7, 4], 0, 1, 'float32', 1), tf.randomNormal([9, 4], 0, 1, 'float32', 2)];
      const labels = tf.tensor1d([0, 8, -100, 3, 3, -100, 1], 'int32');
      const head = {
        parameters: ['table'],
        rows: (_: unknown, { x }: Record<string, tf.Tensor>) => x as tf.Tensor2D,
        logits: (parameters: Record<string, tf.Tensor>, x: tf.Tensor) =>
          tf.tanh(tf.matMul(x as tf.Tensor2D, parameters.table as tf.Tensor2D, false, true)).mul<tf.Tensor2D>(3),
      };
      const settings = { labelSmoothing: 0.1, zLoss: 0.01 };
      const make = (chunked: boolean) =>
        engine.jit((parameters: Record<string, tf.Tensor>, y: tf.Tensor) => {
          const { loss, gradients } = valueAndGradients(
            ({ x, ...own }) => ({
              loss: (chunked
                ? chunkedCrossEntropy(head, own, x, y, { ...settings, chunkTokens, training: true })
                : maskedCrossEntropy(head.logits(own, x), y, settings)
              ).loss.mul<tf.Scalar>(2),
              auxiliary: {},
            }),
            parameters,
          );
          const unseen = chunkedCrossEntropy(head, parameters, parameters.x, y, {
            ...settings,
            chunkTokens,
            training: false,
          }).loss;
          return { loss, gradients, unseen };
        });
      const [plain, chunked] = [make(false), make(true)].map((fn) => fn({ x: rows, table }, labels));
      expect(chunked.loss.dataSync()[0]).toBeCloseTo(plain.loss.dataSync()[0], 5);
      expect(chunked.unseen.dataSync()[0] * 2).toBeCloseTo(plain.loss.dataSync()[0], 5);
      for (const name of ['x', 'table'])
        plain.gradients[name]
          .dataSync()
          .forEach((value, i) => expect(chunked.gradients[name].dataSync()[i]).toBeCloseTo(value, 5));
    },
  );

  it('the outer gradient is passed on, and large logits do not overflow', () => {
    const grad = tf.grad((x) => maskedCrossEntropy(x, tf.tensor1d([0], 'int32')).loss.mul<tf.Scalar>(3))(
      tf.tensor2d([[1000, 1000]]),
    );
    expect(Array.from(grad.dataSync())).toEqual([-1.5, 1.5]);
  });

  it('the loss and its gradient are 0 if every label is ignored', () => {
    const { value, grad } = tf.valueAndGrad((x) => maskedCrossEntropy(x, tf.tensor1d([-100, -100], 'int32')).loss)(
      tf.ones([2, 3]),
    );
    expect(value.dataSync()[0]).toBe(0);
    expect(Array.from(grad.dataSync())).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('the loss compiles and keeps no tensor', () => {
    const logits = tf.tensor2d([
      [1, 2, 3],
      [0, 0, 0],
    ]);
    const labels = tf.tensor1d([2, 1], 'int32');
    const compiled = engine.jit((x: tf.Tensor, y: tf.Tensor) =>
      tf.valueAndGrad((l) => maskedCrossEntropy(l, y).loss)(x),
    );
    const run = (): number[] => {
      const { value, grad } = compiled(logits, labels);
      const numbers = [...value.dataSync(), ...grad.dataSync()];
      tf.dispose([value, grad]);
      return numbers;
    };
    const expected = reference(
      [
        [1, 2, 3],
        [0, 0, 0],
      ],
      [2, 1],
    );
    const first = run();
    [expected.loss, ...expected.gradient.flat()].forEach((x, i) => expect(first[i]).toBeCloseTo(x, 6));
    const before = engine.memory().tensors;
    run();
    expect(engine.memory().tensors).toBe(before);
    compiled.dispose();
  });
});
