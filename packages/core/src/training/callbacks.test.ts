/** The hooks of callbacks, seen through whole runs. */
import { openEngine, type Engine } from '@graft/engine';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { defineComponent, definePlugin } from '../components/plugin';
import { loadConfig } from '../config';
import type { Callback, RunInfo, Tracker } from '../interfaces';
import { runExperiment, type RunOptions, type RunResult } from '../run/experiment';
import { silentLogger } from '../util/logger';

let engine: Engine;
beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));

interface Setting {
  readonly callbacks: readonly Callback[];
  readonly runs?: string;
  readonly sections?: Record<string, unknown>;
  readonly options?: RunOptions;
  readonly trackers?: readonly Tracker[];
}

/** A run of ten steps with these callbacks, all of which the config calls `test`. */
async function run({
  callbacks,
  runs = temporaryFolder(),
  sections,
  options,
  trackers = [],
}: Setting): Promise<RunResult> {
  const [left, leftTrackers] = [[...callbacks], [...trackers]];
  const plugin = definePlugin({
    name: 'test',
    components: [
      defineComponent({
        interface: 'callback',
        id: 'test',
        description: 'of the test',
        options: z.strictObject({}),
        useFactory: () => left.shift()!,
      }),
      defineComponent({
        interface: 'tracker',
        id: 'test',
        description: 'of the test',
        options: z.strictObject({}),
        useFactory: () => leftTrackers.shift()!,
      }),
    ],
  });
  const value = toyConfig(runs, {
    callbacks: callbacks.map(() => ({ use: 'test' })),
    trackers: trackers.map(() => ({ use: 'test' })),
    ...sections,
  });
  return runExperiment(await loadConfig({ value, plugins: [toyPlugin, plugin] }), { engine, ...options });
}

const record = ({ folder }: { folder: string }): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as Record<string, unknown>;

/** Aborts after a step. */
function interruptedAfter(step: number): RunOptions {
  const controller = new AbortController();
  return { signal: controller.signal, onStep: (done) => void (done === step && controller.abort()) };
}

const EVALUATED = { evaluators: [{ use: 'norm', name: 'size', every: 4 }] };

it('the hooks of a run are called in order, with the step and what happened', async () => {
  const calls: string[] = [];
  const callback: Callback = {
    every: 3,
    onStart: ({ step, run: { name }, model }) => void calls.push(`start ${name} ${model.kind} ${step}`),
    onStep: ({ step, metrics }) => void calls.push(`step ${step} ${metrics.step}`),
    onEvaluation: ({ step, evaluator, metrics }) =>
      void calls.push(`evaluation ${step} ${evaluator} ${Object.keys(metrics).length > 0}`),
    onCheckpoint: ({ step, folder }) => void calls.push(`checkpoint ${step} ${folder.split('/').at(-1)}`),
    onEnd: ({ step, status }) => void calls.push(`end ${step} ${status}`),
  };
  await run({ callbacks: [callback], sections: { ...EVALUATED, train: { steps: 8, checkpointEvery: 5 } } });
  expect(calls).toEqual([
    'start toy decoder-only 0',
    'step 3 3',
    'evaluation 4 size true',
    'checkpoint 5 step-5',
    'step 6 6',
    'step 8 8',
    'checkpoint 8 step-8',
    'evaluation 8 size true',
    'end 8 finished',
  ]);
});

describe('a run that a callback stops', () => {
  const stopping: Callback = { onStep: ({ step, stop }) => void (step === 3 && stop('the loss is low enough')) };

  it('a stopped run saves, evaluates, is finished, and records which callback stopped it and why', async () => {
    const lines: string[] = [];
    const logger = { ...silentLogger(), info: (line: string) => void lines.push(line) };
    const result = await run({
      callbacks: [{}, stopping],
      sections: EVALUATED,
      options: { logger },
    });
    expect(result).toMatchObject({ status: 'finished', steps: 3, stopped: 'test#2: the loss is low enough' });
    expect(result.evaluations.map(({ step, evaluator }) => [step, evaluator])).toEqual([[3, 'size']]);
    expect(record(result)).toMatchObject({ status: 'finished', steps: 3, stopped: 'test#2: the loss is low enough' });
    expect(lines.join('\n')).toContain('Stopped after step 3 by callback test#2: the loss is low enough.');
  });

  it('a stopped run is not the run that --resume finds, but resumes by its id', async () => {
    const runs = temporaryFolder();
    const { id } = await run({ callbacks: [stopping], runs });
    expect((await failureOf(run({ callbacks: [{}], runs, options: { resume: true } }))).code).toBe('run.none');
    const resumed = await run({ callbacks: [{}], runs, options: { resume: id } });
    expect(resumed).toMatchObject({ status: 'finished', steps: 10, id });
    expect(record(resumed)).not.toHaveProperty('stopped');
  });

  it('a run stops before its first step when onStart asks for that', async () => {
    const result = await run({ callbacks: [{ onStart: ({ stop }) => stop('enough') }] });
    expect(result).toMatchObject({ status: 'finished', steps: 0, stopped: 'test: enough' });
  });
});

describe('the state of a callback', () => {
  it('the state of a callback is saved with each checkpoint and restored before onStart, for each callback of a name', async () => {
    const runs = temporaryFolder();
    const counting = (calls: string[]): Callback => {
      let steps = 0;
      return {
        restore: (state) => void (calls.push(`restore ${JSON.stringify(state)}`), (steps = (state as [number])[0])),
        onStart: ({ run: { resumedFromStep } }) => void calls.push(`start ${resumedFromStep}`),
        onStep: () => void steps++,
        state: () => [steps],
        onEnd: ({ status }) => void calls.push(`end ${steps} ${status}`),
      };
    };
    const [first, second]: [string[], string[]] = [[], []];
    await run({ callbacks: [counting(first), counting(second)], runs, options: interruptedAfter(4) });
    await run({ callbacks: [counting(first), counting(second)], runs, options: { resume: true } });
    for (const calls of [first, second])
      expect(calls).toEqual(['start undefined', 'end 4 interrupted', 'restore [4]', 'start 4', 'end 10 finished']);
  });

  it('the state of a callback must be plain JSON', async () => {
    const error = await failureOf(run({ callbacks: [{ state: () => ({ best: NaN }) }] }));
    expect(error).toMatchObject({ code: 'plugin.callback-state' });
    expect(error.message).toBe(
      'Callback "test" at step 10 (state): the state holds NaN at "best", which a checkpoint cannot keep; expected plain JSON.',
    );
  });
});

it('trackers know the step that a run was resumed from', async () => {
  const runs = temporaryFolder();
  const started: RunInfo[] = [];
  const tracker: Tracker = {
    start: async (info) => void started.push(info),
    log: () => undefined,
    finish: async () => undefined,
  };
  await run({ callbacks: [], trackers: [tracker], runs, options: interruptedAfter(4) });
  await run({ callbacks: [], trackers: [tracker], runs, options: { resume: true } });
  expect(started.map(({ resumedFromStep }) => resumedFromStep)).toEqual([undefined, 4]);
});

it('a failed run calls onEnd, reports its own error, and logs what onEnd throws', async () => {
  const lines: string[] = [];
  const logger = { ...silentLogger(), warn: (line: string) => void lines.push(line) };
  const failing: Callback = {
    onStep: () => {
      throw new Error('no');
    },
    onEnd: ({ status }) => {
      throw new Error(`again, ${status}`);
    },
  };
  const error = await failureOf(run({ callbacks: [failing], options: { logger } }));
  expect(error.message).toBe('Callback "test" at step 1 (onStep) failed: no.');
  expect(lines.join('\n')).toContain('Callback "test" (onEnd of the failed run) failed: again, failed');
});

it.each([0, 1.5, -1, '3'])('%p is not a number of steps for every', async (every) => {
  const error = await failureOf(run({ callbacks: [{ every } as Callback] }));
  expect(error).toMatchObject({ code: 'plugin.callback-every' });
  expect(error.message).toBe(`Callback "test" has ${every} as "every"; expected an integer from 1.`);
});
