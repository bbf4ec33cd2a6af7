import { openEngine, tf } from '@graft/engine';
import fc from 'fast-check';
import { topKDivergence } from './top-k-divergence';

const softmax = (row: number[]): number[] => {
  const peak = Math.max(...row);
  const e = row.map((x) => Math.exp(x - peak));
  const total = e.reduce((sum, x) => sum + x, 0);
  return e.map((x) => x / total);
};

/** Value and gradient in double precision. */
function reference(student: number[][], teacher: number[][], k: number, weights: number[]) {
  let loss = 0;
  const gradient = student.map((row, n) => {
    const [q, p] = [softmax(row), softmax(teacher[n])];
    const top = p
      .map((_, i) => i)
      .sort((a, b) => p[b] - p[a])
      .slice(0, k);
    const sum = (x: number[], which: (i: number) => boolean): number =>
      x.reduce((s, v, i) => s + (which(i) ? v : 0), 0);
    const isTop = (i: number): boolean => top.includes(i);
    const [pRest, qRest] = [sum(p, (i) => !isTop(i)), sum(q, (i) => !isTop(i))];
    for (const i of top) loss += weights[n] * p[i] * Math.log(p[i] / q[i]);
    if (pRest > 0) loss += weights[n] * pRest * Math.log(pRest / qRest);
    return q.map((own, i) => weights[n] * (own - (isTop(i) ? p[i] : (pRest * own) / qRest)));
  });
  return { loss, gradient };
}

function taught(teacher: number[][], k: number) {
  const p = teacher.map(softmax);
  const top = p.map((row) =>
    row
      .map((_, i) => i)
      .sort((a, b) => row[b] - row[a])
      .slice(0, k),
  );
  return {
    tokens: tf.tensor2d(top, [p.length, k], 'int32'),
    logProbabilities: tf.tensor2d(top.map((own, n) => own.map((i) => Math.log(p[n][i])))),
    logRest: tf.tensor1d(
      p.map((row, n) =>
        Math.log(
          Math.max(
            1e-37,
            row.reduce((sum, x, i) => sum + (top[n].includes(i) ? 0 : x), 0),
          ),
        ),
      ),
    ),
  };
}

const V = 7;
const matrix = fc.array(
  fc.array(
    fc.integer({ min: -80, max: 80 }).map((x) => x / 10),
    { minLength: V, maxLength: V },
  ),
  { minLength: 3, maxLength: 3 },
);
const WEIGHTS = [0.5, 0.25, 0];

describe.each(['portable', 'auto'] as const)('topKDivergence, engine mode %s', (mode) => {
  beforeAll(() => openEngine({ mode }));
  const measure = (student: number[][], teacher: number[][], k: number): { loss: number; gradient: number[] } =>
    tf.tidy(() => {
      const { value, grad } = tf.valueAndGrad((x) =>
        topKDivergence(x as tf.Tensor2D, taught(teacher, k), tf.tensor1d(WEIGHTS)),
      )(tf.tensor2d(student));
      return { loss: value.dataSync()[0], gradient: Array.from(grad.dataSync()) };
    });

  it('the divergence gives the docstring example', () => {
    const teacher = {
      tokens: tf.tensor2d([[0, 1]], [1, 2], 'int32'),
      logProbabilities: tf.log([[0.5, 0.25]]) as tf.Tensor2D,
    };
    const value = topKDivergence(
      tf.zeros([1, 4]),
      { ...teacher, logRest: tf.log([0.25]) as tf.Tensor1D },
      tf.ones([1]),
    );
    expect(value.dataSync()[0]).toBeCloseTo(0.5 * Math.log(2) + 0.25 * Math.log(0.5), 6);
  });

  it('value and gradient agree with double precision, and fewer tokens never increase the divergence', () => {
    fc.assert(
      fc.property(matrix, matrix, fc.integer({ min: 1, max: V }), (student, teacher, k) => {
        const expected = reference(student, teacher, k, WEIGHTS);
        const own = measure(student, teacher, k);
        expect(Math.abs(own.loss - expected.loss)).toBeLessThan(2e-5 * (1 + expected.loss));
        own.gradient.forEach((g, i) => expect(Math.abs(g - expected.gradient.flat()[i])).toBeLessThan(2e-5));
        // Taking outcomes together never makes two distributions differ more.
        expect(expected.loss).toBeLessThanOrEqual(reference(student, teacher, V, WEIGHTS).loss + 1e-12);
      }),
      { numRuns: 15 },
    );
  });

  it('the divergence stays finite if the student gives almost no probability to the rest', () => {
    const student = [[0, ...Array<number>(V - 1).fill(-500)]];
    const { value, grad } = tf.valueAndGrad((x) =>
      topKDivergence(x as tf.Tensor2D, taught([Array<number>(V).fill(0)], 1), tf.ones([1])),
    )(tf.tensor2d(student));
    expect(Number.isFinite(value.dataSync()[0])).toBe(true);
    expect(Array.from(grad.dataSync()).every(Number.isFinite)).toBe(true);
  });
});
