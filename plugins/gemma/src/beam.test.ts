import fc from 'fast-check';
import { BeamRow, type Candidate } from './beam';

/** Log-probability of a token after others: any function will do. */
function logProbability(before: readonly number[], token: number, vocabulary: number, seed: number): number {
  const weight = (one: number): number =>
    1 + ((Math.abs(Math.sin(seed + 7.3 * one + before.reduce((sum, own, i) => sum + (i + 2.1) * own, 0))) * 1e4) % 5);
  const total = Array.from({ length: vocabulary }, (_, one) => weight(one)).reduce((sum, own) => sum + own, 0);
  return Math.log(weight(token) / total);
}

/** Every sequence that ends with eos, or has the full length. */
function everySequence(
  vocabulary: number,
  eos: number,
  length: number,
  seed: number,
): { tokens: number[]; sum: number }[] {
  const done: { tokens: number[]; sum: number }[] = [];
  const go = (tokens: number[], sum: number): void => {
    if (tokens.at(-1) === eos || tokens.length === length) {
      done.push({ tokens, sum });
      return;
    }
    for (let token = 0; token < vocabulary; token++)
      go([...tokens, token], sum + logProbability(tokens, token, vocabulary, seed));
  };
  go([], 0);
  return done;
}

test('with as many beams as there are sequences, the best of all sequences is found', () => {
  const [vocabulary, eos, length] = [3, 0, 3];
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.constantFrom(0, 1), (seed, lengthPenalty) => {
      const beams = 27;
      const row = new BeamRow({ beams, lengthPenalty, eos: new Set([eos]) });
      let running: number[][] = [[]];
      let sums = [0];
      for (let step = 0; step < length && !row.done; step++) {
        const candidates = running
          .flatMap((tokens, beam) =>
            Array.from({ length: vocabulary }, (_, token): Candidate => ({
              beam,
              token,
              sum: sums[beam] + logProbability(tokens, token, vocabulary, seed),
            })),
          )
          .sort((a, b) => b.sum - a.sum)
          .slice(0, 2 * beams);
        const next = row.advance(candidates);
        running = next.map(({ beam, token }) => [...running[beam], token]);
        sums = next.map(({ sum }) => sum);
      }
      const scored = everySequence(vocabulary, eos, length, seed).map(
        ({ tokens, sum }) => sum / tokens.length ** lengthPenalty,
      );
      expect(row.best().score).toBeCloseTo(Math.max(...scored), 9);
    }),
  );
});

test('one that ends counts only among the best, and the search ends when nothing better can come', () => {
  const row = new BeamRow({ beams: 2, lengthPenalty: 0, eos: new Set([9]) });
  const first = row.advance([
    { beam: 0, token: 9, sum: -0.5 },
    { beam: 0, token: 1, sum: -1 },
    { beam: 0, token: 2, sum: -2 },
    { beam: 0, token: 9, sum: -3 },
  ]);
  expect(first.map(({ token }) => token)).toEqual([1, 2]);
  expect(row.done).toBe(false);
  row.advance([
    { beam: 0, token: 9, sum: -1.5 },
    { beam: 0, token: 3, sum: -1.6 },
    { beam: 1, token: 3, sum: -4 },
  ]);
  expect(row.done).toBe(true);
  expect(row.best()).toMatchObject({ tokens: [9], score: -0.5 });
});
