import type { EndStatus, RunInfo, Tracker } from '@graft/core';
import { check, type Check, type Make } from '../check';

/** What a tracker is tested with. */
export interface TrackerOptions {
  /** The run that it is given. Default: a run whose folder does not exist. */
  readonly run?: Partial<RunInfo> | (() => Partial<RunInfo>);
  /**
   * What has arrived where the tracker sends it, after `finish`: the check of what arrives needs it. Lines of one step may
   * be split.
   */
  readonly received?: () => Promise<readonly Received[]> | readonly Received[];
}

/** Metrics of a step. */
export interface Received {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
}

const STATUSES: readonly EndStatus[] = ['finished', 'interrupted', 'failed'];
const RUN: RunInfo = { name: 'conformance', id: '1', folder: 'runs/conformance/1', config: {}, totalSteps: 4 };

/** Checks of a Tracker: the order of calls, resumed runs, odd numbers, and that logging never waits. */
export function tracker(make: Make<Tracker>, { run = {}, received }: TrackerOptions = {}): readonly Check[] {
  const info = (): RunInfo => ({ ...RUN, ...(typeof run === 'function' ? run() : run) });
  return [
    check('tracker', 'start', 'a run is started, logged and finished, whatever its status', async () => {
      for (const status of STATUSES) {
        const made = await make();
        await made.start(info());
        made.log(1, { loss: 2 });
        await made.finish(status);
      }
    }),
    check('tracker', 'finish', 'a run without steps can be finished', async () => {
      const made = await make();
      await made.start(info());
      await made.finish('failed');
    }),
    check('tracker', 'log', 'logging returns at once, and takes numbers that are not finite', async (broken) => {
      const made = await make();
      await made.start(info());
      for (const loss of [1, NaN, Infinity, -Infinity, 0, Number.MIN_VALUE]) {
        const returned: unknown = made.log(1, { loss });
        if (returned !== undefined) broken(`log returned ${typeof returned}; nothing waits for it.`);
      }
      made.log(2, {});
      await made.finish('finished');
    }),
    check('tracker', 'start', 'a resumed run may log steps again', async () => {
      const first = await make();
      await first.start(info());
      for (const step of [1, 2, 3]) first.log(step, { loss: step });
      await first.finish('interrupted');
      const second = await make();
      await second.start({ ...info(), resumedFromStep: 1 });
      for (const step of [2, 3, 4]) second.log(step, { loss: step });
      await second.finish('finished');
    }),
    check('tracker', 'log', 'what is logged arrives by the end of finish, in order', async (broken) => {
      if (!received) return;
      const made = await make();
      const earlier = (await received()).length;
      await made.start(info());
      const lines = Array.from({ length: 20 }, (_, i) => ({ step: i + 1, metrics: { loss: 1 / (i + 1), rate: i } }));
      for (const { step, metrics } of lines) made.log(step, metrics);
      await made.finish('finished');
      const arrived = (await received()).slice(earlier);
      for (const name of ['loss', 'rate']) {
        const wanted = lines.map(({ step, metrics }) => `${step}: ${metrics[name as 'loss']}`);
        const found = arrived.flatMap(({ step, metrics }) => (name in metrics ? [`${step}: ${metrics[name]}`] : []));
        const at = wanted.findIndex((line, i) => line !== found[i]);
        if (at >= 0 || found.length !== wanted.length)
          broken(`of "${name}", ${found.length} of 20 numbers arrived; the first difference is at step ${at + 1}.`);
      }
    }),
  ];
}
