import fc from 'fast-check';
import { openEngine, tf } from '@graft/engine';
import { ints, ODD_SIDE, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import { BeamRow, candidateCount, Generator, runForward, type BeamOptions, type Candidate } from '@graft/core';

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

test('a search with as many beams as sequences finds the best of all sequences', () => {
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

test('a finished beam counts only among the best, and the search ends when no beam can improve', () => {
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

interface Scored {
  readonly tokens: readonly number[];
  readonly score: number;
}

/**
 * Beam search by its definition: in each step all continuations of all beams are ranked. Those that end are finished
 * if they are among the best `beams`; of the others the best `beams` continue. Nothing is cut, nothing is kept
 * incrementally.
 */
async function searchPlainly(
  logProbabilities: (tokens: readonly number[]) => Promise<readonly number[]> | readonly number[],
  { beams, eos, lengthPenalty }: BeamOptions,
  maxNewTokens: number,
): Promise<Scored> {
  interface Sequence {
    readonly tokens: readonly number[];
    readonly sum: number;
  }
  const scored = ({ tokens, sum }: Sequence): Scored => ({ tokens, score: sum / tokens.length ** lengthPenalty });
  const best = (sequences: readonly Scored[]): Scored[] => [...sequences].sort((a, b) => b.score - a.score);
  const ends = ({ tokens }: Sequence): boolean => eos.has(tokens[tokens.length - 1]);
  let running: Sequence[] = [{ tokens: [], sum: 0 }];
  let finished: Scored[] = [];
  for (let length = 1; length <= maxNewTokens; length++) {
    const continuations: Sequence[] = [];
    for (const { tokens, sum } of running) {
      const next = await logProbabilities(tokens);
      next.forEach((own, token) => continuations.push({ tokens: [...tokens, token], sum: sum + own }));
    }
    continuations.sort((a, b) => b.sum - a.sum);
    const ended = continuations.slice(0, beams).filter(ends).map(scored);
    finished = best([...finished, ...ended]).slice(0, beams);
    running = continuations.filter((one) => !ends(one)).slice(0, beams);
    if (running.length === 0) return finished[0];
    const [likeliest] = running.map(scored);
    if (finished.length === beams && finished.every(({ score }) => score >= likeliest.score)) return finished[0];
  }
  return best([...finished, ...running.map(scored)])[0];
}

const lengthPenalties = fc.constantFrom(-1.5, -0.5, 0, 0.6, 1, 2);
/** 1 to 12 end tokens of vocabularies from 2 to 24, so that all tokens may end. */
const searches = fc
  .record({
    seed: fc.integer({ min: 1, max: 1e6 }),
    vocabulary: fc.integer({ min: 2, max: 24 }),
    ends: fc.integer({ min: 1, max: 12 }),
    beams: fc.integer({ min: 1, max: 6 }),
    lengthPenalty: lengthPenalties,
    maxNewTokens: fc.integer({ min: 1, max: 7 }),
  })
  .map(({ vocabulary, ends, seed, ...rest }) => {
    const first = seed % vocabulary;
    const eos = Array.from({ length: Math.min(ends, vocabulary) }, (_, i) => (first + i) % vocabulary);
    return { ...rest, seed, vocabulary, eos: new Set(eos) };
  });

test('a row finds the same sequence as the plain search, for random logits, end tokens, beams and penalties', async () => {
  let several = 0;
  await fc.assert(
    fc.asyncProperty(searches, async ({ seed, vocabulary, maxNewTokens, ...options }) => {
      const next = (tokens: readonly number[]): number[] =>
        Array.from({ length: vocabulary }, (_, token) => logProbability(tokens, token, vocabulary, seed));
      const row = new BeamRow(options);
      let running: { tokens: number[]; sum: number }[] = [{ tokens: [], sum: 0 }];
      for (let step = 0; step < maxNewTokens && !row.done; step++) {
        const candidates = running
          .flatMap(({ tokens, sum }, beam) =>
            next(tokens).map((own, token): Candidate => ({ beam, token, sum: sum + own })),
          )
          .sort((a, b) => b.sum - a.sum);
        const chosen = row.advance(
          candidates.slice(0, candidateCount(options.beams, options.eos, running.length * vocabulary)),
        );
        running = chosen.map(({ beam, token, sum }) => ({ tokens: [...running[beam].tokens, token], sum }));
      }
      const expected = await searchPlainly(next, options, maxNewTokens);
      const got = row.best();
      expect(got.tokens).toEqual(expected.tokens);
      expect(got.score).toBeCloseTo(expected.score, 9);
      if (got.tokens.length > 1) several++;
    }),
    { numRuns: 500 },
  );
  expect(several).toBeGreaterThan(50);
});

test('each row of a batch finds the sequence that the plain search finds for it alone', async () => {
  const engine = await openEngine({ mode: 'portable' });
  const sources = [
    [3, 4, 2, 5, 3],
    [5, 3, 0, 0, 0],
    [4, 4, 6, 0, 0],
  ];
  const masks = sources.map((row) => row.map((id) => (id === 0 ? 0 : 1)));
  const model = tinyGemma({ vocabularySize: 7, decoder: { ...ODD_SIDE, layers: 1 } });
  const before = tf.memory().numTensors;
  const parameters = tinyParameters(model, 5);
  const generator = new Generator(engine, model);
  const known = new Map<string, Promise<number[]>>();
  const logProbabilities = async (row: number, tokens: readonly number[]): Promise<number[]> => {
    const { logits } = await runForward({
      engine,
      model,
      parameters,
      inputs: {
        input_ids: ints([sources[row]]),
        attention_mask: ints([masks[row]]),
        decoder_input_ids: ints([[2, ...tokens]]),
      },
    });
    const last = Array.from(logits.values.slice(-model.vocabularySize));
    const total = Math.log(last.reduce((sum, own) => sum + Math.exp(own), 0));
    return last.map((own) => own - total);
  };
  const remembered = (row: number) => (tokens: readonly number[]) => {
    const key = `${row}:${tokens.join()}`;
    const found = known.get(key) ?? logProbabilities(row, tokens);
    known.set(key, found);
    return found;
  };
  for (const [beams, eos, lengthPenalty] of [
    [1, [1], 1],
    [2, [1, 4], 0],
    [3, [1, 3, 4], -1],
    [4, [0, 1, 2, 3, 4, 5], 1],
    [6, [0, 1, 2, 3, 4, 5, 6], 0.5],
    [6, [5], 2],
  ] as const) {
    const maxNewTokens = 4;
    const { sequences, scores } = await generator.search(parameters, {
      fields: { input_ids: ints(sources), attention_mask: ints(masks) },
      maxNewTokens,
      eos,
      beams,
      lengthPenalty,
    });
    for (const row of sources.keys()) {
      const options = { beams, eos: new Set(eos), lengthPenalty };
      const expected = await searchPlainly(remembered(row), options, maxNewTokens);
      const filled = Array.from({ length: sequences[row].length - 1 }, (_, i) => expected.tokens[i] ?? eos[0]);
      expect([...sequences[row]]).toEqual([2, ...filled]);
      expect(scores[row]).toBeCloseTo(expected.score, 4);
    }
  }
  generator.dispose();
  tf.dispose(parameters);
  expect(tf.memory().numTensors).toBe(before);
});

test('impossible numbers of beams and length penalties are refused', async () => {
  const model = tinyGemma({ vocabularySize: 7 });
  const generator = new Generator(await openEngine({ mode: 'portable' }), model);
  const search = (beams: number, lengthPenalty?: number) =>
    generator.search({}, { fields: { input_ids: ints([[3]]) }, maxNewTokens: 1, beams, lengthPenalty });
  await expect(search(0)).rejects.toThrow(
    'beams should be an integer from 1 to the size of the vocabulary (7), but is 0.',
  );
  await expect(search(8)).rejects.toThrow(/but is 8/);
  await expect(search(1.5)).rejects.toThrow(/but is 1.5/);
  await expect(search(2, NaN)).rejects.toThrow('lengthPenalty should be a finite number, but is NaN.');
  generator.dispose();
});
