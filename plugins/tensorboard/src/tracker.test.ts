import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import type { TrackedRun } from '@graft/core';
import { readRecords } from '../test-support/read-events';
import { encodeEvent, type EventContents } from './event';
import { TensorboardTracker } from './tracker';

const TIME_BYTES = 9;
/** An event without its time. */
const event = (step: number, contents: EventContents): string =>
  encodeEvent(0, step, contents).subarray(TIME_BYTES).toString('hex');
const eventsIn = (folder: string): string[] =>
  readRecords(folder).map((record) => record.subarray(TIME_BYTES).toString('hex'));

const runIn = (folder: string, changes: Partial<TrackedRun> = {}): TrackedRun => ({
  name: 'a',
  id: 'r1',
  folder,
  config: { seed: 1 },
  ...changes,
});
const CONFIG = { tag: 'config', markdown: '```json\n{\n  "seed": 1\n}\n```' };

test('a run leaves its config and the numbers of every step, grouped', async () => {
  const folder = temporaryFolder();
  const tracker = new TensorboardTracker();
  await tracker.start(runIn(folder));
  tracker.log(1, { step: 1, loss: 2, 'heldOut/loss': 3, cpuCores: 1.5 });
  // Nothing waits in memory for the end.
  expect(eventsIn(folder)).toEqual([
    event(0, { fileVersion: 'brain.Event:2' }),
    event(0, { text: CONFIG }),
    event(1, { scalars: { 'train/loss': 2, 'heldOut/loss': 3, 'hardware/cpuCores': 1.5 } }),
  ]);
  await tracker.finish();
  expect(() => tracker.log(2, { loss: 1 })).not.toThrow();
});

test('a resumed run voids the steps after its checkpoint, in a file that sorts after the earlier ones', async () => {
  const folder = temporaryFolder();
  const first = new TensorboardTracker();
  await first.start(runIn(folder));
  for (const step of [1, 2, 3]) first.log(step, { loss: step });
  // It was killed: `finish` was not called.
  const second = new TensorboardTracker();
  await second.start(runIn(folder, { resumedFromStep: 2 }));
  second.log(3, { loss: 30 });
  await second.finish();
  await first.finish();
  expect(readdirSync(folder)).toHaveLength(2);
  expect(eventsIn(folder).slice(-4)).toEqual([
    event(0, { fileVersion: 'brain.Event:2' }),
    event(3, { restart: true }),
    event(2, { text: CONFIG }),
    event(3, { scalars: { 'train/loss': 30 } }),
  ]);
});

test('the files go to a folder of their own if the config names one', async () => {
  const folder = temporaryFolder();
  const tracker = new TensorboardTracker(join(folder, 'logs'));
  await tracker.start(runIn(join(folder, 'run')));
  await tracker.finish();
  expect(eventsIn(join(folder, 'logs', 'a', 'r1'))).toHaveLength(2);
  mkdirSync(join(folder, 'run'));
  expect(readdirSync(join(folder, 'run'))).toEqual([]);
});
