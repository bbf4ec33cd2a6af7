import { openEngine, random, tf } from '@graft/engine';
import { checkSampling, chooseTokens, draws, type Sampling } from './sampling';

const LOGITS = [1, 3, 2, 0, -1];
const probabilities = (logits: number[], temperature = 1): number[] => {
  const weights = logits.map((logit) => Math.exp(logit / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
};

beforeAll(() => openEngine({ mode: 'portable' }));

/** Shares of 6,000 draws. */
function shares(sampling: Sampling, logits = LOGITS): number[] {
  return tf.tidy(() => {
    const rows = 6000;
    const tokens = chooseTokens(tf.tile(tf.tensor2d([logits]), [rows, 1]), {
      sampling,
      key: random.key([1, 2]),
    }).dataSync();
    return logits.map((_, token) => tokens.filter((drawn) => drawn === token).length / rows);
  });
}

/** Four standard deviations of a share of 6,000. */
const near = (share: number, expected: number): void =>
  expect(Math.abs(share - expected)).toBeLessThanOrEqual(4 * Math.sqrt((expected * (1 - expected)) / 6000));

const renormalized = (kept: number[]): number[] => {
  const all = probabilities(LOGITS);
  const total = kept.reduce((sum, token) => sum + all[token], 0);
  return all.map((probability, token) => (kept.includes(token) ? probability / total : 0));
};

test.each<[string, Sampling, number[]]>([
  ['temperature 1', { temperature: 1 }, probabilities(LOGITS)],
  ['temperature 2', { temperature: 2 }, probabilities(LOGITS, 2)],
  ['top 2', { topK: 2 }, renormalized([1, 2])],
  ['more than there are', { topK: 99 }, probabilities(LOGITS)],
  // 0.636, 0.234, 0.086, ...: two reach 0.8, three 0.9.
  ['top 0.8 of the probability', { topP: 0.8 }, renormalized([1, 2])],
  ['top 0.9', { topP: 0.9 }, renormalized([1, 2, 0])],
  ['less than the first has', { topP: 0.1 }, renormalized([1])],
  ['top 3, of which 0.8', { topK: 3, topP: 0.8 }, renormalized([1, 2])],
])('tokens are drawn with the right frequency: %s', (_, sampling, expected) => {
  shares(sampling).forEach((share, token) => near(share, expected[token]));
});

test('the most probable token is chosen without a key', () => {
  tf.tidy(() => expect([...chooseTokens(tf.tensor2d([LOGITS]), { sampling: {} }).dataSync()]).toEqual([1]));
  expect([{}, { temperature: 0, topK: 3 }, { repetitionPenalty: 2 }].map(draws)).toEqual([false, false, false]);
  expect([{ temperature: 1 }, { topK: 3 }, { topP: 0.5 }].map(draws)).toEqual([true, true, true]);
});

test('a repetition penalty makes the tokens of a row less probable, whatever the sign of their logits', () => {
  const seen = (...tokens: number[]): tf.Tensor =>
    tf.tensor2d([LOGITS.map((_, token) => Number(tokens.includes(token)))]);
  tf.tidy(() => {
    const choose = (logits: number[], held: tf.Tensor): number =>
      chooseTokens(tf.tensor2d([logits]), { sampling: { repetitionPenalty: 2 }, seen: held }).dataSync()[0];
    expect(choose(LOGITS, seen(1))).toBe(2);
    expect(choose(LOGITS, seen(0))).toBe(1);
    expect(choose([-3, -2, -5, -9, -9], seen(1))).toBe(0);
  });
});

test.each<[Sampling, RegExp]>([
  [{ temperature: -1 }, /temperature should be a number of at least 0, but is -1/],
  [{ topK: -1 }, /topK should be an integer of at least 1, or 0 for all tokens/],
  [{ topP: 1.5 }, /topP should be above 0 and at most 1/],
  [{ repetitionPenalty: 0 }, /repetitionPenalty should be a number above 0/],
])('the sampling options %j are refused', (sampling, message) => {
  expect(() => checkSampling(sampling)).toThrow(message);
});
