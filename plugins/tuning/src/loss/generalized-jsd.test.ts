import { openEngine, tf, valueAndGradients } from '@graft/engine';
import { worstDifference } from '@graft/test-support';
import { generalizedJsd } from './generalized-jsd';

const STUDENT = [
  [0.5, -1, 2, 0],
  [3, 0, -2, 1],
  [40, -40, 0, 1],
];
const TEACHER = [
  [1, 1, 0, -1],
  [-1, 2, 0.5, 0],
  [-30, 30, 2, 1],
];
const WEIGHTS = [0.5, 0, 0.25];

const logSoftmax = (row: readonly number[]): number[] => {
  const peak = Math.max(...row);
  const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x - peak), 0)) + peak;
  return row.map((x) => x - total);
};
const kl = (p: readonly number[], q: readonly number[]): number =>
  p.reduce((sum, logP, i) => sum + Math.exp(logP) * (logP - q[i]), 0);

function expected(student: readonly (readonly number[])[], beta: number): number {
  return student.reduce((sum, row, i) => {
    const [p, q] = [logSoftmax(row), logSoftmax(TEACHER[i])];
    const m = p.map((logP, k) => Math.log((1 - beta) * Math.exp(logP) + beta * Math.exp(q[k])));
    const divergence = beta === 0 ? kl(q, p) : beta === 1 ? kl(p, q) : beta * kl(q, m) + (1 - beta) * kl(p, m);
    return sum + WEIGHTS[i] * divergence;
  }, 0);
}

beforeAll(() => openEngine({ mode: 'portable' }));

test.each([0, 0.1, 0.5, 0.9, 1])('the divergence and its gradient agree with double precision, beta %d', (beta) => {
  const { loss, gradients } = valueAndGradients(
    ({ x }) => ({
      loss: generalizedJsd(x as tf.Tensor2D, tf.tensor2d(TEACHER), tf.tensor1d(WEIGHTS), beta),
      auxiliary: {},
    }),
    { x: tf.tensor2d(STUDENT) },
  );
  const value = expected(STUDENT, beta);
  expect(Math.abs(loss.dataSync()[0] - value)).toBeLessThan(1e-5 * Math.max(1, value));
  const numeric = STUDENT.flatMap((row, i) =>
    row.map((_, k) => {
      const moved = (by: number): number =>
        expected(
          STUDENT.map((other, j) => (j === i ? other.map((x, l) => (l === k ? x + by : x)) : other)),
          beta,
        );
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    }),
  );
  expect(worstDifference(gradients.x.dataSync(), numeric)).toBeLessThan(2e-5);
});
