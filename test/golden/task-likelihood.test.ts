import { encodeRequest, LikelihoodScorer } from '@graft/core';
import { openEngine, type Engine } from '@graft/engine';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, worstDifference } from '../support';
import { expectReference, openRun } from './task-likelihood-cases';
import { BENCHMARKS, LIKELIHOOD_TOLERANCE, NO_BENCHMARKS, type ReferenceRun } from './task-references';

interface Pair {
  readonly model: ReferenceRun;
  readonly kind?: 'generate';
  readonly context: string;
  readonly continuation: string;
  readonly context_ids: readonly number[];
  readonly continuation_ids: readonly number[];
  readonly loglikelihood: number;
  readonly is_greedy: boolean;
}

const pairsOf = (run: ReferenceRun): Pair[] =>
  readFileSync(join(BENCHMARKS!, 'reference', 'token-level.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Pair)
    .filter(({ model, kind }) => model === run && kind === undefined);

// The slow test compares every task, on compiled programs, with all four runs.
describeIf(BENCHMARKS !== undefined, NO_BENCHMARKS, 'log-likelihoods of the reference', () => {
  describe.each<ReferenceRun>(['gemma2', 't5gemma-strict'])('of %s', (run) => {
    let engine: Engine;
    let opened: Awaited<ReturnType<typeof openRun>>;
    beforeAll(async () => {
      engine = await openEngine({ mode: 'graph' });
      opened = await openRun(run);
    });
    afterAll(() => opened.dispose());

    test('awkward prompts and continuations are encoded and scored as there, whatever the batch size and the order', async () => {
      const { model, parameters, tokenizer } = opened;
      const pairs = pairsOf(run);
      const requests = pairs.map(({ context, continuation }) => encodeRequest(model, tokenizer, context, continuation));
      expect(requests.map(({ context, continuation }) => [[...context], [...continuation]])).toEqual(
        pairs.map(({ context_ids, continuation_ids }) => [context_ids, continuation_ids]),
      );
      const scorer = new LikelihoodScorer(engine, model);
      for (const [batchSize, order] of [
        [16, requests.keys()],
        [3, [...requests.keys()].reverse()],
      ] as const) {
        const places = [...order];
        const given = places.map((at) => requests[at]);
        const found = new Map<number, { logLikelihood: number; isGreedy: boolean }>();
        for await (const batch of scorer.score(parameters, given, { batchSize, batchTokens: 4096 }))
          for (const { request, answer } of batch) found.set(places[request], answer);
        const answers = pairs.map((_, at) => found.get(at)!);
        const expected = pairs.map(({ loglikelihood }) => loglikelihood);
        expect(
          worstDifference(
            answers.map(({ logLikelihood }) => logLikelihood),
            expected,
          ),
        ).toBeLessThan(LIKELIHOOD_TOLERANCE);
        expect(answers.map(({ isGreedy }) => isGreedy)).toEqual(pairs.map(({ is_greedy }) => is_greedy));
      }
      scorer.dispose();
    });

    test('a task with its own prompt for each choice has its log-likelihoods and metrics', () =>
      expectReference(engine, run, opened, { name: 'winogrande_0shot', task: 'winogrande', shots: 0 }));
  });
});
