/** The examples of preference tuning, as a user runs them. */
import { dryRun, loadConfig, type MemoryEstimate } from '@graft/core';
import { tf } from '@graft/engine';
import gemma from '@graft/gemma';
import objectives from '@graft/objectives';
import optimizers from '@graft/optimizers';
import scratch from '@graft/scratch';
import text from '@graft/text';
import tuning from '@graft/tuning';
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { readJson, readMetrics, runFolderOf, type MetricsLine } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const EXAMPLES = join(ROOT, 'examples', 'tuning');

const sets = (settings: Readonly<Record<string, unknown>>): string[] =>
  Object.entries({ engine: 'portable', runs: folder, 'train.batchSize': 4, ...settings }).flatMap(([key, value]) => [
    '--set',
    `${key}=${JSON.stringify(value)}`,
  ]);
const run = async (example: string, settings: Readonly<Record<string, unknown>>, ...more: string[]): Promise<string> =>
  runFolderOf(await graftSucceeds(['run', join(EXAMPLES, example), ...sets(settings), ...more], folder));
const losses = (lines: readonly MetricsLine[]): number[] => lines.map(({ loss }) => loss);
const metricsOf = (path: string): (MetricsLine & Readonly<Record<string, number>>)[] => readMetrics(path) as never;

test('a model learns which of two answers is better, relative to the one that it began with', async () => {
  const steps = { name: 'whole', 'train.steps': 12, 'evaluators.0.every': 12 };
  const whole = await run('dpo.yaml', steps);
  const lines = metricsOf(whole);
  // The model is its own reference at first.
  expect(lines[0]).toMatchObject({ rewardMargin: 0, chosenReward: 0, rewardAccuracy: 0 });
  expect(lines[0].loss).toBeCloseTo(Math.LN2, 6);
  expect(lines[11].loss).toBeLessThan(0.1);
  expect(lines[11]).toMatchObject({ rewardAccuracy: 1 });
  const [{ metrics }] = readJson<{ metrics: Record<string, number> }[]>(join(whole, 'evaluations.json'));
  expect(metrics).toMatchObject({ pairs: 10 });
  expect(metrics.accuracy).toBeGreaterThanOrEqual(0.8);
  expect(realpathSync(join(whole, 'best'))).toBe(realpathSync(join(whole, 'checkpoints', 'step-12')));

  // A resumed run has the reference of the run's beginning, not of the checkpoint; also if its numbers are kept.
  const cache = join(folder, 'cache');
  const kept = join(cache, 'answers');
  const inParts = async (settings: Readonly<Record<string, unknown>>, ...more: string[]): Promise<string> =>
    runFolderOf(
      await graftSucceeds(['run', join(EXAMPLES, 'dpo.yaml'), ...sets(settings), ...more], folder, {
        GRAFT_CACHE: cache,
      }),
    );
  const parted = { ...steps, name: 'parted', 'train.steps': 2, 'objective.keepReference': true };
  await inParts(parted);
  const resumed = await inParts({ ...parted, 'train.steps': 4 }, '--resume');
  losses(readMetrics(resumed)).forEach((loss, i) => expect(loss).toBeCloseTo(lines[i].loss, 5));
  // Of one model, and each pair of the four batches once.
  const [digest, ...others] = readdirSync(kept);
  expect(others).toEqual([]);
  const keys = readFileSync(join(kept, digest, 'preferences-v1.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  expect(new Set(keys.map((line) => (JSON.parse(line) as { key: string }).key)).size).toBe(16);
  expect(keys).toHaveLength(16);
});

test('under train.lora the frozen weights are the reference', async () => {
  const lines = metricsOf(
    await run('dpo.yaml', { name: 'lora', 'train.steps': 2, 'train.lora': { rank: 2 }, 'train.microBatches': 2 }),
  );
  expect(lines[0].loss).toBeCloseTo(Math.LN2, 6);
  expect(lines[0].rewardMargin).toBe(0);
  expect(lines[1].rewardMargin).not.toBe(0);
});

test('the checkpoint with the best score of a benchmark is kept; a score that nobody measures is refused at once', async () => {
  const answers = { 'evaluators.0.answers': join(folder, 'answers') };
  const path = await run('select-by-task.yaml', { ...answers, 'train.steps': 6, 'evaluators.0.every': 2 });
  const evaluations = readJson<{ step: number; metrics: Record<string, number> }[]>(join(path, 'evaluations.json'));
  const scores = evaluations.map(({ step, metrics }) => [step, metrics['piqa/accuracy']] as const);
  expect(scores.map(([step]) => step)).toEqual([2, 4, 6]);
  const best = scores.find(([, score]) => score === Math.max(...scores.map(([, one]) => one)))!;
  expect(realpathSync(join(path, 'best'))).toBe(realpathSync(join(path, 'checkpoints', `step-${best[0]}`)));
  expect(readJson(join(path, 'run.json'))).toMatchObject({ best: { step: best[0] } });

  const mean = { ...answers, 'train.keepBest.metric': 'benchmarks/instruction' };
  const { status, stderr } = await graft(['run', join(EXAMPLES, 'select-by-task.yaml'), ...sets(mean)], folder);
  expect(status).toBe(2);
  expect(stderr).toContain(
    'train.keepBest.metric is "benchmarks/instruction", but the evaluator "benchmarks" measures no "instruction".',
  );
  expect(stderr).not.toContain('step 1/');
});

test('estimates of memory count the reference and both answers, and load neither model', async () => {
  const file = join(EXAMPLES, 'dpo.yaml');
  const estimated = async (...overrides: string[]): Promise<MemoryEstimate> =>
    (
      await dryRun(
        await loadConfig({ file, overrides, plugins: [gemma, objectives, optimizers, scratch, text, tuning] }),
      )
    ).memory;
  const before = tf.memory().numTensors;
  const whole = await estimated();
  expect(whole.parameters).toBeGreaterThan(0);
  expect(whole.frozenModels).toBe(whole.parameters);
  expect(whole.total).toBe(
    whole.parameters * 3 + whole.gradients + whole.frozenModels + whole.activations! + whole.logits!,
  );
  expect((await estimated('objective.reference=none')).frozenModels).toBe(0);
  // As the only part of a mixture, whose metrics have other names.
  const mixed = await estimated(
    'objective={ use: mixture, objectives: [{ objective: dpo }] }',
    'evaluators=[]',
    'train.keepBest=null',
  );
  expect([mixed.activations, mixed.frozenModels]).toEqual([whole.activations, whole.frozenModels]);
  expect((await estimated('train.lora={ rank: 2 }')).frozenModels).toBe(0);
  // Both answers have 32 tokens: as many logits as a batch of twice the examples has for one.
  const one = await estimated(
    'objective={ use: seq2seq }',
    `dataset={ use: jsonl, files: ${join(EXAMPLES, 'pairs.jsonl')}, tokenizer: bytes, source: chosen, target: chosen }`,
    'train.batchSize=16',
    'evaluators=[]',
    'train.keepBest=null',
  );
  expect(whole.logits).toBe(one.logits);
  expect(tf.memory().numTensors).toBe(before);
});

test('SimPO needs no reference, and wrong options are explained in a sentence each', async () => {
  const [line] = metricsOf(await run('simpo.yaml', { 'train.steps': 1, 'evaluators.0.every': 1 }));
  expect(line.chosenReward).toBeLessThan(0);
  for (const [settings, sentence] of [
    [{ 'dataset.pack': {} }, /pairs of answers cannot be packed, because each answer reads its prompt alone/],
    [{ 'objective.loss': 'robust' }, /`loss: robust` needs the share of mislabelled pairs/],
    [{ objective: 'seq2seq' }, /dataset "preferences" gives the field "chosen"/],
  ] as const) {
    const { status, stderr } = await graft(['run', join(EXAMPLES, 'dpo.yaml'), ...sets(settings)], folder);
    expect(status).toBe(2);
    expect(stderr).toMatch(sentence);
  }
});
