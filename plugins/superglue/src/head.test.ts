import { HEAD_BIAS, HEAD_WEIGHT, createRandom } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { initialHead } from './head';

beforeAll(() => openEngine({ mode: 'portable' }));

const deviation = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0) / values.length);

test.each([
  [2, undefined, 0.02 * Math.SQRT1_2],
  [3, undefined, 0.02 / Math.sqrt(3)],
  [4, 0.3, 0.15],
])('a fresh head for %d classes has the published standard deviation', (classes, initializerRange, expected) => {
  const head = initialHead(classes, { width: 5000, initializerRange }, createRandom(3));
  const weights = head[HEAD_WEIGHT].dataSync();
  // 10,000 numbers or more: the deviation of a deviation is under a hundredth.
  expect(Math.abs(deviation(weights) / expected - 1)).toBeLessThan(0.03);
  expect(Array.from(head[HEAD_BIAS].dataSync())).toEqual(new Array(classes).fill(0));
  tf.dispose(head);
});
