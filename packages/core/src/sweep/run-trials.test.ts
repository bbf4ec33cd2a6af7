import type { LoadedExperiment } from '../config';
import type { FoundRun } from '../run/same-run';
import { runTrials, type RunTrialsOptions, type TrialEnd, type TrialShare } from './run-trials';
import type { Trial } from './trial';

const trial = (id: string): Trial => ({
  id,
  point: 0,
  label: id,
  config: 'c.yaml',
  overrides: [],
  kind: 'training',
  loaded: {} as LoadedExperiment,
});
const foundRun = (isFinished: boolean): FoundRun => ({ isFinished, record: { steps: 3 } }) as FoundRun;

interface Recorded {
  readonly end: Record<string, string[]>;
  readonly events: readonly string[];
  readonly shares: readonly TrialShare[];
  readonly most: number;
}

/** Runs trials that each take some turns of the event loop. */
async function recorded(
  ids: string,
  options: Partial<RunTrialsOptions> & { readonly ends?: Readonly<Record<string, TrialEnd>> } = {},
): Promise<Recorded> {
  const events: string[] = [];
  const shares: TrialShare[] = [];
  let running = 0;
  let most = 0;
  const end = await runTrials([...ids].map(trial), {
    found: new Map(),
    threads: 5,
    signal: new AbortController().signal,
    start: async ({ id }, { share }) => {
      shares.push(share);
      most = Math.max(most, ++running);
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
      running--;
      return options.ends?.[id] ?? { status: 'finished' };
    },
    onEvent: (event) => void events.push(`${event.kind} ${event.trial.id}`),
    ...options,
  });
  const names = Object.fromEntries(
    Object.entries<readonly Trial[]>({ ...end }).map(([key, trials]) => [key, trials.map(({ id }) => id).sort()]),
  );
  return { end: names, events, shares, most };
}

it('trials run one after the other, each id once, without those that are finished', async () => {
  const found = new Map([['b', foundRun(true)]]);
  const { end, events, shares, most } = await recorded('abac', { found });
  expect(events).toEqual(['skipped b', 'started a', 'ended a', 'started c', 'ended c']);
  expect(end).toEqual({ finished: ['a', 'b', 'c'], failed: [], left: [] });
  expect([most, shares[0]]).toEqual([1, { threads: undefined, memory: 1 }]);
});

it('trials that run at a time share threads and memory', async () => {
  const { most, shares } = await recorded('abcde', { parallel: 2 });
  expect(most).toBe(2);
  expect(shares).toHaveLength(5);
  expect(shares[4]).toEqual({ threads: 2, memory: 0.5 });
});

it('more trials than threads get one thread each', async () => {
  expect((await recorded('ab', { parallel: 9, threads: 4 })).shares[0].threads).toBe(1);
});

it('a failure is reported when it happens, and the others go on', async () => {
  const failed: TrialEnd = { status: 'failed', problem: 'It broke.' };
  const { end, events } = await recorded('abc', { ends: { a: failed } });
  expect(end).toEqual({ finished: ['b', 'c'], failed: ['a'], left: [] });
  expect(events.indexOf('ended a')).toBeLessThan(events.indexOf('started b'));
});

it('an unfinished run is resumed', async () => {
  const unfinished = foundRun(false);
  const given: unknown[] = [];
  await recorded('a', {
    found: new Map([['a', unfinished]]),
    start: async (_trial, { unfinished: run }) => {
      given.push(run);
      return { status: 'finished' };
    },
  });
  expect(given).toEqual([unfinished]);
});

it('after the signal nothing starts, and what runs is waited for', async () => {
  const controller = new AbortController();
  const { end, events } = await recorded('abcd', {
    parallel: 2,
    signal: controller.signal,
    start: async ({ id }) => {
      if (id === 'a') controller.abort();
      await new Promise(setImmediate);
      return { status: 'interrupted' };
    },
  });
  expect(end).toEqual({ finished: [], failed: [], left: ['a', 'b', 'c', 'd'] });
  expect(events.filter((event) => event.startsWith('started'))).toEqual(['started a']);
});

it('an error in a report stops all trials before it is thrown', async () => {
  const stopped: string[] = [];
  const failing = recorded('abc', {
    parallel: 2,
    start: async ({ id }, { signal }) => {
      // One ends at once; the other would go on for ever.
      if (id === 'b') await new Promise((resolve) => signal.addEventListener('abort', resolve));
      if (signal.aborted) stopped.push(id);
      return { status: signal.aborted ? 'interrupted' : 'finished' };
    },
    onEvent: ({ kind }) => {
      if (kind === 'ended' && stopped.length === 0) throw new Error('the disk is full');
    },
  });
  await expect(failing).rejects.toThrow('the disk is full');
  expect(stopped).toEqual(['b']);
});

describe('with limited memory', () => {
  const bytes: Readonly<Record<string, number>> = { a: 6, b: 6, c: 3, d: 20 };
  const options = { parallel: 3, memory: 10, needs: async ({ id }: Trial) => bytes[id] };

  it('a trial waits until there is memory for it, and smaller ones overtake it', async () => {
    const { events, most } = await recorded('abc', options);
    expect(events.slice(0, 3)).toEqual(['started a', 'started c', 'waiting b']);
    expect(most).toBe(2);
    expect(events.filter((event) => event === 'waiting b')).toHaveLength(1);
  });

  it('a trial for which there is never enough runs alone', async () => {
    const { end, events } = await recorded('dc', options);
    expect(events).toEqual(['started c', 'waiting d', 'ended c', 'large d', 'started d', 'ended d']);
    expect(end.finished).toEqual(['c', 'd']);
  });
});
