import type { Callback, CallbackContext, EndStatus, JsonValue, Parameters, RunInfo } from '@graft/core';
import { describeLost } from '@graft/core/internal';
import { tf } from '@graft/engine';
import { check, type Check, type Make } from '../check';
import { randomParameters, toyModel } from '../toys/model';
import { tensorCount, throughJson, valuesDifference, valuesOf } from '../values';

/** What a callback is tested with. */
export interface CallbackOptions {
  /** The run that it is given. Default: one without a folder. */
  readonly run?: Partial<RunInfo>;
  /** Metrics of a step. Default: a loss of 1 / step. */
  readonly metrics?: (step: number) => Readonly<Record<string, number>>;
  /** Steps of the run; the callback may stop it earlier. Default 8. */
  readonly steps?: number;
}

const STATUSES: readonly EndStatus[] = ['finished', 'interrupted', 'failed'];

/** Checks of a Callback: the order of calls, its state through JSON, and that it leaves the parameters alone. */
export function callback(
  make: Make<Callback>,
  { run = {}, metrics = (step) => ({ loss: 1 / step, learningRate: 0.1 }), steps = 8 }: CallbackOptions = {},
): readonly Check[] {
  const model = toyModel();
  const context = (step: number, stop: (reason: string) => void = () => undefined): CallbackContext => ({
    run: { name: 'conformance', id: '1', folder: 'runs/conformance/1', config: {}, totalSteps: steps, ...run },
    model,
    step,
    stop,
  });
  /** Calls the hooks of steps, as the loop does; returns the step after which it stops. */
  const runSteps = async (made: Callback, from: number, to: number, parameters: Parameters): Promise<number> => {
    let stopped = false;
    for (let step = from + 1; step <= to; step++) {
      const now = context(step, () => void (stopped = true));
      if (step % (made.every ?? 1) === 0 || step === to)
        await made.onStep?.({ ...now, metrics: metrics(step), parameters });
      if (step % 2 === 0) {
        await made.onEvaluation?.({ ...now, evaluator: 'held-out', metrics: { loss: 1 }, seconds: 0.1 });
        await made.onCheckpoint?.({ ...now, folder: `${now.run.folder}/checkpoints/step-${step}` });
      }
      if (stopped) return step;
    }
    return to;
  };
  const withParameters = async <T>(use: (parameters: Parameters) => Promise<T>): Promise<T> => {
    const parameters = randomParameters(model);
    try {
      return await use(parameters);
    } finally {
      tf.dispose(parameters);
    }
  };
  return [
    check('callback', 'every', 'every is a positive integer or left out', async (broken) => {
      const { every = 1 } = await make();
      if (!Number.isInteger(every) || every < 1) broken(`every is ${every}.`);
    }),
    check('callback', 'onStart', 'a run calls all hooks in order, whatever its status', async () => {
      await withParameters(async (parameters) => {
        for (const status of STATUSES) {
          const made = await make();
          await made.onStart?.(context(0));
          const step = await runSteps(made, 0, steps, parameters);
          await made.onEnd?.({ ...context(step), status });
        }
      });
    }),
    check('callback', 'onEnd', 'a run that ends before its first step calls onEnd all the same', async () => {
      for (const status of STATUSES) {
        const made = await make();
        await made.onStart?.(context(0));
        await made.onEnd?.({ ...context(0), status });
      }
    }),
    check(
      'callback',
      'onStep',
      'the parameters are neither changed nor disposed, and no tensors are left',
      async (broken) => {
        await withParameters(async (parameters) => {
          const values = valuesOf(parameters);
          const before = tensorCount();
          const made = await make();
          await made.onStart?.(context(0));
          const step = await runSteps(made, 0, steps, parameters);
          await made.onEnd?.({ ...context(step), status: 'finished' });
          const lost = Object.keys(values).find((name) => parameters[name]?.isDisposed ?? true);
          if (lost !== undefined) broken(`the parameter "${lost}" was disposed.`);
          const difference = valuesDifference(values, valuesOf(parameters));
          if (difference !== undefined) broken(`the parameter ${difference}.`);
          if (tensorCount() !== before) broken(`${tensorCount() - before} tensors were left.`);
        });
      },
    ),
    check('callback', 'state', 'the state is plain JSON at any time', async (broken) => {
      const made = await make();
      const look = (when: string): void => {
        const state = made.state?.();
        const problem = state === undefined ? undefined : describeLost(state);
        if (problem !== undefined) broken(`${when}, the state ${problem}.`);
      };
      look('before the run');
      await made.onStart?.(context(0));
      await withParameters((parameters) => runSteps(made, 0, steps, parameters));
      look(`after ${steps} steps`);
    }),
    check('callback', 'restore', 'a callback that is restored at any step ends in the same state', async (broken) => {
      if (!(await make()).state) return;
      await withParameters(async (parameters) => {
        const whole = await make();
        await whole.onStart?.(context(0));
        const last = await runSteps(whole, 0, steps, parameters);
        const expected = JSON.stringify(whole.state!());
        for (let at = 0; at < last; at++) {
          const before = await make();
          await before.onStart?.(context(0));
          if (at > 0) await runSteps(before, 0, at, parameters);
          const state: JsonValue = throughJson(before.state!());
          const after = await make();
          await after.restore?.(state);
          const restored = JSON.stringify(after.state!());
          if (restored !== JSON.stringify(state))
            broken(`after step ${at}, ${JSON.stringify(state)} became ${restored}.`);
          await after.onStart?.(context(at));
          await runSteps(after, at, steps, parameters);
          const found = JSON.stringify(after.state!());
          // Where `every` does not divide the step, the loop's last call has been made once more.
          if (found !== expected && at % (whole.every ?? 1) === 0)
            broken(`resumed after step ${at}, it ended in ${found} instead of ${expected}.`);
        }
      });
    }),
  ];
}
