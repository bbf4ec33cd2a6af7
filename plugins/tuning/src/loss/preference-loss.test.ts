import { openEngine, tf } from '@graft/engine';
import { preferenceLosses, type PreferenceLossSettings } from './preference-loss';

const DIFFERENCES = [-30, -1.5, 0, 0.25, 4, 200];
const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
/** -ln of the logistic function, also where that is 0 in double precision. */
const cost = (x: number): number => (x < -30 ? -x : -Math.log(logistic(x)));

const CASES: readonly (readonly [PreferenceLossSettings, (d: number) => number])[] = [
  [{ loss: 'sigmoid', beta: 0.1, labelSmoothing: 0, margin: 0 }, (d) => cost(0.1 * d)],
  [{ loss: 'sigmoid', beta: 0.5, labelSmoothing: 0.2, margin: 0 }, (d) => 0.8 * cost(0.5 * d) + 0.2 * cost(-0.5 * d)],
  [{ loss: 'sigmoid', beta: 2, labelSmoothing: 0, margin: 1.6 }, (d) => cost(2 * d - 1.6)],
  [
    { loss: 'robust', beta: 0.3, labelSmoothing: 0.1, margin: 0 },
    (d) => (0.9 * cost(0.3 * d) - 0.1 * cost(-0.3 * d)) / 0.8,
  ],
  [{ loss: 'hinge', beta: 0.1, labelSmoothing: 0, margin: 0 }, (d) => Math.max(0, 1 - 0.1 * d)],
  [{ loss: 'ipo', beta: 0.2, labelSmoothing: 0, margin: 0 }, (d) => (d - 2.5) ** 2],
];

beforeAll(() => openEngine({ mode: 'portable' }));

test.each(CASES)('the losses with %j agree with double precision', (settings, expected) => {
  const losses = tf.tidy(() => Array.from(preferenceLosses(tf.tensor1d(DIFFERENCES), settings).dataSync()));
  losses.forEach((loss, i) => {
    const wanted = expected(DIFFERENCES[i]);
    expect(Math.abs(loss - wanted)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(wanted)));
  });
});
