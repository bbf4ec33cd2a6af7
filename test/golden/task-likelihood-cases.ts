import { plugin } from '@graft/benchmarks';
import { AnswerStore, TaskRunner, type LikelihoodAnswer, type ChoiceItem, type Task } from '@graft/core';
import type { Engine } from '@graft/engine';
import { loadModel, type LoadedModel } from '@graft/gemma';
import { HuggingFaceTokenizer } from '@graft/text';
import { join } from 'node:path';
import { worstDifference } from '../support';
import {
  BENCHMARKS,
  itemsOf,
  LIKELIHOOD_TOLERANCE,
  referenceRows,
  type ReferenceRun,
  type TaskReference,
} from './task-references';

/** The names of metrics in the reference, by Graft's. */
export const METRICS: Readonly<Record<string, string>> = {
  accuracy: 'acc',
  logLikelihood: 'perplexity',
  trueShare: 'acc',
  accuracyPerCharacter: 'acc_norm',
  accuracyPerByte: 'acc_bytes',
};

/** The reference's model of a run, as it reads there. */
export async function openRun(run: ReferenceRun): Promise<LoadedModel & { readonly tokenizer: HuggingFaceTokenizer }> {
  const models = join(BENCHMARKS!, 'reference', 'models');
  const folder = join(models, run === 'gemma2' ? 'gemma2-tiny-bytes' : 't5gemma-tiny-bytes');
  const inclusive = run === 't5gemma' || run === 't5gemma-bos' ? ({ encoderWindow: 'inclusive' } as const) : {};
  const specialTokens = run === 't5gemma-bos' ? { encoder: { bos: true } } : undefined;
  const loaded = await loadModel(folder, { ...inclusive, ...(specialTokens && { specialTokens }) });
  return { ...loaded, tokenizer: await HuggingFaceTokenizer.open({ path: folder }) };
}

/** Asks every row of a file of the reference, and compares log-likelihoods, greediness and metrics. */
export async function expectReference(
  engine: Engine,
  run: ReferenceRun,
  { model, parameters, tokenizer }: Awaited<ReturnType<typeof openRun>>,
  reference: TaskReference,
): Promise<void> {
  const rows = referenceRows(reference);
  const task = plugin.tasks!.find(({ id }) => id === reference.task)!;
  const answers: (readonly LikelihoodAnswer[])[] = [];
  const all = await itemsOf(task, reference);
  const items = rows.map(({ doc_id }) => all[doc_id] as ChoiceItem);
  const recording: Task = {
    id: task.id,
    version: task.version,
    description: task.description,
    metric: task.metric,
    shots: task.shots,
    chance: task.chance,
    items: () =>
      Promise.resolve(
        items.map((item) => ({ ...item, score: (own) => (answers.push(own), item.score(own)) }) satisfies ChoiceItem),
      ),
  };
  const runner = new TaskRunner({
    engine,
    model,
    parameters,
    tokenizer,
    limits: { batchSize: 8, batchTokens: 20_000 },
  });
  try {
    const { records } = await runner.run(recording, {
      folder: BENCHMARKS!,
      shots: reference.shots,
      answers: await AnswerStore.open(undefined),
    });
    const expected = rows.map(({ models }) => models[run]!);
    const got = records.flatMap(({ logLikelihoods }) => logLikelihoods!);
    expect(
      worstDifference(
        got,
        expected.flatMap(({ loglikelihoods }) => loglikelihoods!),
      ),
    ).toBeLessThan(LIKELIHOOD_TOLERANCE);
    expect(answers.map((own) => own.map(({ isGreedy }) => isGreedy))).toEqual(
      expected.map(({ is_greedy }) => is_greedy),
    );
    for (const [i, { metrics }] of records.entries()) expectMetrics(metrics, expected[i].metrics!);
  } finally {
    runner.dispose();
  }
}

/** Numbers of a row: choices are equal, and what is made of log-likelihoods differs as those may. */
function expectMetrics(own: Readonly<Record<string, number>>, theirs: Readonly<Record<string, number>>): void {
  const names = Object.entries(METRICS).filter(([ours, their]) => ours in own && their in theirs);
  expect(names.map(([, their]) => their).sort()).toEqual(Object.keys(theirs).sort());
  for (const [ours, their] of names) {
    if (ours === 'logLikelihood') expect(Math.abs(own[ours] - theirs[their])).toBeLessThan(LIKELIHOOD_TOLERANCE);
    // Shares of probabilities such as 1e-25: their logarithms are sums of log-likelihoods.
    else if (ours === 'trueShare')
      expect(Math.abs(Math.log(own[ours] / theirs[their]))).toBeLessThan(2 * LIKELIHOOD_TOLERANCE);
    else expect(own[ours]).toBe(theirs[their]);
  }
}
