import { listSnapshots } from '@graft/checkpoint';
import { openEngine, type Engine } from '@graft/engine';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { problemOfWatched } from '../config/metric-names';
import { defineComponent, definePlugin } from '../components/plugin';
import { checkChoices } from '../run/before-first-step';
import { runExperiment, type RunOptions, type RunResult } from '../run/experiment';
import { MetricWatch, reasonToStop, type StopWhen } from './metric-choice';

// The name of one begins that of another.
const EVALUATORS = [{ name: 'a' }, { name: 'a/b' }, { name: 'c' }];
const record = (step: number, value: number) => ({ step, evaluator: 'a/b', metrics: { x: value }, seconds: 1 });
const after = (values: readonly number[], when: StopWhen): MetricWatch => {
  const watch = new MetricWatch(when, 'train.stopWhen', { evaluators: EVALUATORS, minDelta: when.minDelta });
  values.forEach((value, i) => watch.take(record(10 * (i + 1), value)));
  return watch;
};

describe('a watched metric', () => {
  it.each<[string, number[], Partial<StopWhen>, { step: number; value: number } | undefined, number]>([
    ['the smallest value is best', [3, 1, 2], {}, { step: 20, value: 1 }, 1],
    ['the largest value is best', [3, 1, 4, 4], { better: 'more' }, { step: 30, value: 4 }, 1],
    ['the first of equal values stays', [1, 1, 1], {}, { step: 10, value: 1 }, 2],
    ['an improvement must exceed minDelta', [3, 2.5, 2.1, 1.9], { minDelta: 1 }, { step: 40, value: 1.9 }, 0],
    ['what is not a number is never best', [NaN, 5, NaN], {}, { step: 20, value: 5 }, 1],
    ['there may be no best one', [NaN, NaN], {}, undefined, 2],
    ['infinity is a value', [Infinity, 5], {}, { step: 20, value: 5 }, 0],
  ])('%s: %j', (_, values, more, best, since) => {
    const watch = after(values, { metric: 'a/b/x', better: 'less', ...more });
    expect([watch.best, watch.evaluationsSince]).toEqual([best, since]);
  });

  it('evaluations of others do not count, and a metric that the evaluator lacks is an error', () => {
    const watch = after([3], { metric: 'a/b/x', better: 'less' });
    watch.take({ ...record(20, 1), evaluator: 'c' });
    watch.take({ ...record(20, 1), evaluator: 'a' });
    expect(watch.best).toEqual({ step: 10, value: 3 });
    const wrong = new MetricWatch({ metric: 'a/b/xx', better: 'less' }, 'train.keepBest', { evaluators: EVALUATORS });
    expect(() => wrong.take(record(10, 1))).toThrow(
      'train.keepBest.metric is "a/b/xx", but the evaluator "a/b" measures no "xx"; did you mean "x"?',
    );
  });

  it.each<[number[], Partial<StopWhen>, string | undefined]>([
    [[3, 4], { patience: 2 }, undefined],
    [[3, 4, 5], { patience: 2 }, 'a/b/x has not been better than 3 (step 10) in 2 evaluations'],
    [[3, 4], { patience: 1 }, 'a/b/x has not been better than 3 (step 10) in one evaluation'],
    [
      [3, 2.9, 2.8],
      { patience: 2, minDelta: 0.5 },
      'a/b/x has not been better than 3 (step 10) by more than 0.5 in 2 evaluations',
    ],
    [[NaN, NaN], { patience: 2 }, 'a/b/x has not been better than nothing in 2 evaluations'],
    [[3, 2], { reaches: 2 }, 'a/b/x is 2, and 2 was enough'],
    [[0.5, 0.7], { better: 'more', reaches: 0.8 }, undefined],
    [[], { patience: 1, reaches: 0 }, undefined],
  ])('after %j with %j the reason to stop is %j', (values, more, reason) => {
    const when: StopWhen = { metric: 'a/b/x', better: 'less', ...more };
    expect(reasonToStop(when, after(values, when))).toBe(reason);
  });

  it('its evaluator must exist and run during training', () => {
    const problem = (metric: string, every = 5): string | undefined =>
      problemOfWatched({ metric }, [{ name: 'loss', every }]);
    expect(problem('loss/x')).toBeUndefined();
    expect(problem('los/x')).toBe('no evaluator is called "los"; did you mean "loss"?');
    expect(problem('accuracy')).toBe(
      'no evaluator is called "accuracy"; write EVALUATOR/METRIC, where the evaluators are loss',
    );
    expect(problem('loss/x', 0)).toMatch(/^the evaluator "loss" runs only at the end \(every: 0\)/);
  });

  it('is checked with the config, before anything runs', async () => {
    const value = toyConfig('runs', {
      evaluators: [{ use: 'norm', name: 'held', every: 0 }],
      train: {
        steps: 2,
        keepBest: { metric: 'hel/x', better: 'less' },
        stopWhen: { metric: 'held/x', better: 'less', patience: 1 },
      },
    });
    await expect(loadConfig({ value, plugins: [toyPlugin] })).rejects.toThrow(
      /keepBest\.metric: is "hel\/x", but no evaluator is called "hel"; did you mean "held"\?\n.*stopWhen\.metric: is "held\/x", but the evaluator "held" runs only/,
    );
  });

  it('mistakes in the evaluators are reported alone', async () => {
    const problemsOf = async (evaluators: unknown): Promise<string> => {
      const train = { steps: 2, keepBest: { metric: 'held/x', better: 'less' } };
      const value = toyConfig('runs', { evaluators, train });
      return (await failureOf(loadConfig({ value, plugins: [toyPlugin] }))).message;
    };
    expect(await problemsOf([null])).toMatch(/evaluators\.0: expected a component/);
    for (const wrong of [[null], 5, [{ use: 'norm', name: 'held', every: 'abc' }]])
      expect(await problemsOf(wrong)).not.toContain('keepBest');
  });

  it('what its evaluator measures is checked before the first step, as far as it says', async () => {
    const metricNames = ['accuracy', 'mean', 'piqa/accuracy', 'piqa/*'];
    const measures = (metric: string): void =>
      checkChoices({ keepBest: { metric, better: 'more' } }, [{ name: 'a', evaluator: { metricNames } }]);
    expect(() => ['a/mean', 'a/piqa/accuracy', 'a/piqa/normalized'].forEach(measures)).not.toThrow();
    expect(() => measures('a/men')).toThrow(
      'train.keepBest.metric is "a/men", but the evaluator "a" measures no "men"; did you mean "mean"?',
    );
    await expect(failureOf(Promise.resolve().then(() => measures('a/siqa/accuracy')))).resolves.toMatchObject({
      code: 'training.metric',
      hint: 'It measures accuracy, mean, piqa/accuracy.',
    });
  });
});

describe('a run that chooses', () => {
  let engine: Engine;
  beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));
  // What is measured after 2, 4, … steps.
  const VALUES = [5, 3, 4, 2.9, 6, 7, 8];
  const scripted = definePlugin({
    name: 'scripted',
    components: [
      defineComponent({
        interface: 'evaluator',
        id: 'scripted',
        description: 'Measures what is written here.',
        options: z.strictObject({}),
        useFactory: () => ({
          evaluate: ({ step }: { step: number }) => Promise.resolve({ x: VALUES[step / 2 - 1] ?? 9 }),
        }),
      }),
    ],
  });
  const run = async (train: object, options: RunOptions = {}, runs = temporaryFolder()): Promise<RunResult> => {
    const sections = {
      evaluators: [{ use: 'scripted', every: 2 }],
      train: { steps: 14, keepCheckpoints: 1, ...train },
    };
    const loaded = await loadConfig({ value: toyConfig(runs, sections), plugins: [toyPlugin, scripted] });
    return runExperiment(loaded, { engine, ...options });
  };
  const kept = async ({ folder }: RunResult): Promise<unknown[]> => [
    (await listSnapshots(join(folder, 'checkpoints'))).map(({ step }) => step),
    readlinkSync(join(folder, 'best')),
    (JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { best: unknown }).best,
  ];
  const keepBest = { metric: 'scripted/x', better: 'less' };
  const BEST = [[8, 14], 'checkpoints/step-8', { step: 8, metric: 'scripted/x', value: 2.9 }];

  it('the best checkpoint stays beside the newest, whether or not a checkpoint was due', async () => {
    expect(await kept(await run({ keepBest }))).toEqual(BEST);
    expect(await kept(await run({ keepBest, checkpointEvery: 1 }))).toEqual(BEST);
  });

  it('an interrupted run goes on choosing', async () => {
    const runs = temporaryFolder();
    const controller = new AbortController();
    const onStep = (step: number): void => void (step === 10 && controller.abort());
    const { status } = await run({ keepBest }, { signal: controller.signal, onStep }, runs);
    expect(status).toBe('interrupted');
    expect(await kept(await run({ keepBest }, { resume: true }, runs))).toEqual(BEST);
  });

  it('training ends when a metric does not improve, and not again before its patience ends', async () => {
    const runs = temporaryFolder();
    const stopWhen = { ...keepBest, patience: 2 };
    const stopped = await run({ keepBest, stopWhen }, {}, runs);
    const reason = 'train.stopWhen: scripted/x has not been better than 2.9 (step 8) in 2 evaluations';
    expect(stopped).toMatchObject({ status: 'finished', steps: 12, stopped: reason });
    expect(await kept(stopped)).toEqual([[8, 12], ...BEST.slice(1)]);
    // The same config has the same reason to stop; more patience is none.
    const resume = stopped.id;
    expect(await run({ keepBest, stopWhen }, { resume }, runs)).toMatchObject({ steps: 12, stopped: reason });
    const patient = await run({ keepBest, stopWhen: { ...stopWhen, patience: 9 } }, { resume }, runs);
    expect([patient.steps, patient.stopped]).toEqual([14, undefined]);
  });

  it('a metric that the evaluator does not measure ends the run at its first evaluation', async () => {
    const failure = await failureOf(run({ keepBest: { metric: 'scripted/y', better: 'less' } }));
    expect(failure.message).toContain('the evaluator "scripted" measures no "y".');
  });
});
