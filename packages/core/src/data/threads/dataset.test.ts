import { DataError } from '@graft/engine';
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '@graft/test-support';
import { definePlugin } from '../../components/plugin';
import { loadRegistry } from '../../config';
import { createComponentFactory } from '../../components/factory';
import type { Dataset } from '../../interfaces';
import { silentLogger, type Logger } from '../../util/logger';
import { createRandom } from '../../random/streams';
import { Registry } from '../../components/registry';
import { ThreadedDataset } from './dataset';
import { thrownError } from './messages';
import { ItemReader, type DataEnd, type ItemBatch, type ItemSettings } from '../items';

/** Tests run the sources; a thread runs what was compiled of them. */
const WORKER = join(ROOT, 'packages', 'core', 'dist', 'data', 'threads', 'worker.js');

/** Loaded by this process and by the threads. */
const PLUGIN = join(ROOT, 'packages', 'core', 'test', 'numbers.cjs');

let registry: Registry;
beforeAll(async () => {
  registry = await loadRegistry([PLUGIN], [ROOT]);
});
const opened: ThreadedDataset[] = [];
afterEach(() => Promise.all(opened.splice(0).map((dataset) => dataset.dispose())));

const make = (options: object): Promise<Dataset> =>
  createComponentFactory(registry, { engine: {} as never, random: createRandom(5), logger: silentLogger() }).create(
    'dataset',
    { use: 'numbers', ...options },
  );

async function open(options: object, threads = 1, batchesAhead = 2, more: object = {}): Promise<ThreadedDataset> {
  const dataset = { use: 'numbers', ...options };
  const logger = silentLogger();
  const result = await ThreadedDataset.open({
    ...{ registry, dataset, seed: 5, logger, threads, batchesAhead, workerFile: WORKER },
    ...more,
  });
  if (!(result instanceof ThreadedDataset)) throw new Error(result.refused);
  opened.push(result);
  return result;
}

async function read(source: { next(): Promise<ItemBatch | DataEnd> }, count: number): Promise<(ItemBatch | DataEnd)[]> {
  const batches: (ItemBatch | DataEnd)[] = [];
  while (batches.length < count) batches.push(await source.next());
  return batches;
}

it.each([
  ['one thread', 1, 1, true],
  ['three threads that skip', 3, 4, true],
  ['two threads that read what they do not want', 2, 2, false],
])('threads give the batches and positions of a single process: %s', async (_, threads, batchesAhead, skips) => {
  const settings: ItemSettings = { batchSize: 6, batchSlice: { rank: 1, count: 2 } };
  const expected = await read(new ItemReader(await make({ skips }), settings), 9);
  const dataset = await open({ skips }, threads, batchesAhead);
  expect(dataset).toMatchObject({ kind: 'examples', length: 1000 });
  expect(dataset.position()).toEqual({ next: 0 });
  expect(await read(dataset.batches(settings), 5)).toEqual(expected.slice(0, 5));
  // Behind what was taken, not behind what was made ahead.
  expect(dataset.position()).toEqual({ next: 30 });
  const resumed = await open({ skips }, threads, batchesAhead);
  await resumed.restore(dataset.position());
  // Begun again, it continues there too.
  expect(await read(dataset.batches(settings), 2)).toEqual(expected.slice(5, 7));
  expect(await read(resumed.batches(settings), 4)).toEqual(expected.slice(5));
});

it.each([0, 1, 3])(
  'the variant of each batch is selected before the batch is read or skipped: %i threads',
  async (threads) => {
    const variantOf = (from: number) => (batch: number) => ['even', undefined, 'odd'][(((from + batch) * 5) % 7) % 3];
    for (const skips of [true, false]) {
      const options = { skips, variants: true };
      const settings: ItemSettings = { batchSize: 4, batchSlice: { rank: 1, count: 2 } };
      let next = 0;
      const expected = Array.from({ length: 9 }, (_, batch) => {
        const stride = { even: 2, odd: 3 }[variantOf(0)(batch) ?? ''] ?? 1;
        const numbers = Array.from({ length: 4 }, (_number, i) => next + i * stride);
        next += 4 * stride;
        return { numbers: numbers.slice(2), next };
      });
      const seen = (batches: (ItemBatch | DataEnd)[]): unknown[] =>
        (batches as ItemBatch[]).map(({ items, position }) => ({
          numbers: items.map(({ x }) => x.values[0]),
          ...(position as object),
        }));
      if (threads === 0) {
        const reader = new ItemReader(await make(options), settings, variantOf(0));
        expect(seen(await read(reader, 9))).toEqual(expected);
        continue;
      }
      const dataset = await open(options, threads, 4, { variants: ['even', 'odd', 'none'] });
      expect(seen(await read(dataset.batches(settings, variantOf(0)), 4))).toEqual(expected.slice(0, 4));
      expect(seen(await read(dataset.batches(settings, variantOf(4)), 5))).toEqual(expected.slice(4));
      expect(dataset.variants).toEqual(['even', 'odd']);
      expect(dataset.select!('even').map(({ optional }) => optional)).toEqual([undefined, true]);
      expect(dataset.select!(undefined)).toEqual(dataset.fields);
      expect(() => dataset.select!('none')).toThrow(DataError);
    }
    if (threads > 0) expect((await open({}, threads)).select).toBeUndefined();
  },
);

it('the end of the data is returned on every further read', async () => {
  const settings = { batchSize: 4 };
  const dataset = await open({ count: 10, repeat: false }, 2);
  const batches = await read(dataset.batches(settings), 6);
  for (const batch of batches.slice(2)) expect(batch).toHaveProperty('ended');
  expect(batches[1]).toMatchObject({ position: { next: 8 } });
});

it('an error of the dataset is thrown when its batch is read', async () => {
  const source = (await open({ failAt: 9 })).batches({ batchSize: 4 });
  await read(source, 2);
  const error: unknown = await source.next().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DataError);
  expect(error).toMatchObject({
    message: 'dataset "numbers/numbers": Number 9 is bad.',
    code: 'numbers.bad',
    hint: 'Count on.',
  });
});

it.each([
  ['exits', { exitAt: 2 }, 'A thread that reads data ended with status 3.'],
  ['exits as if all were well', { exitAt: 2, exitStatus: 0 }, 'A thread that reads data ended with status 0.'],
  ['throws where nobody catches', { breakAt: 2 }, 'A thread that reads data failed: Nobody catches this.'],
])('a thread that %s is reported on every further call', async (_, options, message) => {
  const dataset = await open(options, 2);
  const source = dataset.batches({ batchSize: 4 });
  for (let times = 0; times < 2; times++) {
    const error: unknown = await source.next().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'GraftError', code: 'data.thread', exitCode: 1, message });
  }
  await expect(dataset.restore({ next: 0 })).rejects.toThrow(message);
});

it('a late answer of a thread is ignored', async () => {
  const workerFile = join(temporaryFolder(), 'talkative.js');
  const thrown = JSON.stringify(thrownError(new Error('No.')));
  writeFileSync(
    workerFile,
    `const { parentPort } = require('node:worker_threads');
    parentPort.once('message', () => { for (let i = 0; i < 5; i++) parentPort.postMessage({ thrown: ${thrown} }); });`,
  );
  await expect(open({}, 1, 1, { workerFile })).rejects.toThrow(/^No\.$/);
});

it('a thread that dies on begin rejects every pending call', async () => {
  const workerFile = join(temporaryFolder(), 'dies.js');
  writeFileSync(
    workerFile,
    `const { parentPort } = require('node:worker_threads');
    parentPort.on('message', ({ ask }) => { if (ask === 'begin') process.exit(3); });
    require(${JSON.stringify(WORKER)});`,
  );
  const source = (await open({}, 1, 3, { workerFile })).batches({ batchSize: 4 });
  await expect(source.next()).rejects.toThrow('A thread that reads data ended with status 3.');
});

it('a thread that dies while opening the data is reported', async () => {
  await expect(open({ exitWhenOpened: true }, 2)).rejects.toMatchObject({
    code: 'data.thread',
    message: 'A thread that reads data ended with status 0.',
  });
});

it('the dataset is disposed in its thread after the current batch', async () => {
  const folder = temporaryFolder();
  const disposal = join(folder, 'disposed');
  const dataset = await open({ disposal }, 2, 6);
  await read(dataset.batches({ batchSize: 4 }), 1);
  await dataset.dispose();
  expect(await readFile(disposal, 'utf8')).toMatch(/^(disposed at \d+, read\n){2}$/);
  await expect(dataset.restore({ next: 0 })).rejects.toThrow('The dataset is disposed.');
});

it('a failing disposal is reported, and a hanging one is not waited for', async () => {
  await expect((await open({ disposal: 'fail' })).dispose()).rejects.toThrow(/^no$/);
  await (await open({ disposal: 'hang' })).dispose();
  const dead = await open({ exitAt: 0 });
  await expect(dead.batches({ batchSize: 4 }).next()).rejects.toThrow('ended with status 3');
  await dead.dispose();
});

it('log lines of the dataset reach the logger', async () => {
  const lines: string[] = [];
  const logger = { info: (text: string) => lines.push(text) } as unknown as Logger;
  await open({}, 1, 1, { logger });
  expect(lines).toEqual(['numbers opened']);
});

it('a dataset that cannot be created in a thread is rejected with the reason', async () => {
  await expect(open({ engine: true })).rejects.toThrow(/has no engine \(it asked for "jit"\)/);
  await expect(open({}, 1, 1, { workerFile: join(ROOT, 'nowhere.js') })).rejects.toThrow(/is not compiled/);
  const inline = new Registry();
  const { definition } = registry.find('dataset', 'numbers');
  inline.register(definePlugin({ name: 'inline', components: [definition] }), 'the config itself');
  await expect(open({}, 1, 1, { registry: inline })).rejects.toThrow('plugin "inline" is part of the config itself');
});

it('the slices cover every batch without gaps or overlap, with and without skipping', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({ per: fc.integer({ min: 1, max: 4 }), workers: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ skips: fc.boolean(), count: fc.integer({ min: 1, max: 40 }), repeat: fc.boolean() }),
      async ({ per, workers }, options) => {
        const batchSize = per * workers;
        const whole = await read(new ItemReader(await make(options), { batchSize }), 4);
        const parts = await Promise.all(
          Array.from({ length: workers }, async (_, rank) =>
            read(new ItemReader(await make(options), { batchSize, batchSlice: { rank, count: workers } }), 4),
          ),
        );
        for (const [i, batch] of whole.entries()) {
          if ('ended' in batch) return parts.forEach((part) => expect(part[i]).toHaveProperty('ended'));
          const own = parts.map((part) => part[i] as ItemBatch);
          expect(own.flatMap(({ items }) => items)).toEqual(batch.items);
          expect(own.map(({ first }) => first)).toEqual(own.map((_, rank) => rank * per));
          for (const { start, position } of own)
            expect({ start, position }).toEqual({ start: batch.start, position: batch.position });
        }
      },
    ),
    { numRuns: 60 },
  );
});
