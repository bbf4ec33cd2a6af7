import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GraftError } from '@graft/engine';
import { MetricsFile } from './metrics';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graft-metrics-'));
  file = join(folder, 'metrics.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('lines are appended in order and flushed', async () => {
  const metrics = await MetricsFile.open(file, 0);
  for (let step = 1; step <= 500; step++) {
    metrics.append({ step });
    if (step % 100 === 0) await metrics.flush();
  }
  await metrics.close();
  const steps = (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { step: number }).step);
  expect(steps).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
});

it('writing stops when the file was deleted or replaced', async () => {
  const metrics = await MetricsFile.open(file, 0);
  metrics.append({ step: 1 });
  await metrics.flush();
  await rm(file);
  await writeFile(file, '{"step":1}\n');
  metrics.append({ step: 2 });
  await expect(metrics.flush()).rejects.toMatchObject({ code: 'run.metrics-lost' });
  await metrics.close();
  expect(await readFile(file, 'utf8')).toBe('{"step":1}\n');
});

it('opening at a step removes the later lines of a killed run', async () => {
  await writeFile(file, '{"step":1}\n{"step":2}\n{"step":3}\n{"st');
  const metrics = await MetricsFile.open(file, 2);
  metrics.append({ step: 3, loss: NaN });
  await metrics.close();
  expect(await readFile(file, 'utf8')).toBe('{"step":1}\n{"step":2}\n{"step":3,"loss":null}\n');
});

it('opening fails when lines that the checkpoint counts are missing', async () => {
  await writeFile(file, '{"step":1}\n{"step":2');
  await expect(MetricsFile.open(file, 2)).rejects.toThrow(
    `${file} ends after 1 lines, but the checkpoint was written after 2 steps.`,
  );
});

it('a failed write is reported by the next call', async () => {
  const metrics = await MetricsFile.open(file, 0);
  const { handle } = metrics as unknown as {
    handle: { appendFile: (text: string) => Promise<void>; write: (text: string) => Promise<unknown> };
  };
  handle.appendFile = async (text) => {
    await handle.write(text.slice(0, 4));
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  metrics.append({ step: 1 });
  await expect(metrics.flush()).rejects.toMatchObject({
    code: 'run.metrics',
    message: `${file} could not be written: the disk is full.`,
  });
  expect(() => metrics.append({ step: 2 })).toThrow('the disk is full');
  await metrics.close();
  expect(await readFile(file, 'utf8')).toBe('');
});

it('nothing is written when the check before a write fails, and the next call reports the reason', async () => {
  let gone = false;
  const check = (): Promise<void> => (gone ? Promise.reject(new GraftError('The folder is gone.')) : Promise.resolve());
  const metrics = await MetricsFile.open(file, 0, check);
  metrics.append({ step: 1 });
  await metrics.flush();
  gone = true;
  metrics.append({ step: 2 });
  await expect(metrics.flush()).rejects.toThrow(/^The folder is gone\.$/);
  expect(() => metrics.append({ step: 3 })).toThrow('The folder is gone.');
  await metrics.close();
  expect(await readFile(file, 'utf8')).toBe('{"step":1}\n');
});
