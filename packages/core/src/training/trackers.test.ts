import type { RunInfo, Tracker } from '../interfaces';
import { silentLogger, type Logger } from '../util/logger';
import { Trackers } from './trackers';

const run: RunInfo = { name: 'n', id: 'i', folder: 'f', config: {} };

function listening(): { logger: Logger; warnings: string[] } {
  const warnings: string[] = [];
  return {
    warnings,
    logger: Object.assign(Object.create(silentLogger()) as Logger, {
      warn: (text: string) => void warnings.push(text),
    }),
  };
}

function tracker(parts: Partial<Tracker> = {}): { name: string; tracker: Tracker; calls: unknown[] } {
  const calls: unknown[] = [];
  return {
    name: 'mine',
    calls,
    tracker: {
      start: async () => void calls.push('start'),
      log: (step) => void calls.push(step),
      finish: async (status) => void calls.push(status),
      ...parts,
    },
  };
}

it('a failing tracker is reported once, and all others continue', async () => {
  const { logger, warnings } = listening();
  const fine = tracker();
  const broken = tracker({
    start: () => Promise.reject(new Error('refused')),
    log: () => {
      throw new Error('refused');
    },
  });
  const trackers = new Trackers([broken, fine], logger);
  await trackers.start(run);
  trackers.log(1, { loss: 1 });
  trackers.log(2, { loss: 1 });
  await trackers.finish('finished');
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^Tracker "mine" failed \(refused\)/);
  expect(fine.calls).toEqual(['start', 1, 2, 'finished']);
  expect(broken.calls).toEqual(['finished']);
});

it('finishing does not wait indefinitely for a tracker', async () => {
  const { logger, warnings } = listening();
  const fine = tracker();
  const trackers = new Trackers([tracker({ finish: () => new Promise(() => undefined) }), fine], logger, 20);
  await trackers.finish('interrupted');
  expect(fine.calls).toEqual(['interrupted']);
  expect(warnings[0]).toContain('no answer in 0.02 s');
});

it('a tracker whose log fails later is reported', async () => {
  const { logger, warnings } = listening();
  const late = (() => Promise.reject(new Error('later'))) as unknown as Tracker['log'];
  new Trackers([tracker({ log: late })], logger).log(1, {});
  await new Promise(setImmediate);
  expect(warnings[0]).toContain('later');
});
