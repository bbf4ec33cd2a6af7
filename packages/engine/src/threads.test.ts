import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { GraftError } from '@graft/errors';
import { onThreadEnd } from './threads';

const endOf = (code: string, options: WorkerOptions = {}): Promise<GraftError> => {
  const worker = new Worker(code, { eval: true, ...options });
  return new Promise((resolve) => onThreadEnd(worker, 'A thread that sleeps', 'sleep.thread', resolve));
};

test.each([
  ['its work is done', '', 'ended with status 0'],
  ['it exits', 'process.exit(7)', 'ended with status 7'],
  ['it throws', "setTimeout(() => { throw new TypeError('Nobody catches this.'); })", 'failed: Nobody catches this'],
  ['it throws what is not an error', "setTimeout(() => { throw 'a text'; })", 'failed: a text'],
  ['it rejects', "Promise.reject(new Error('Unhandled'))", 'failed: Unhandled'],
  ['it cannot be loaded', "require('./nowhere')", 'failed: Cannot find module'],
])('the end of a thread is reported when %s', async (_, code, problem) => {
  const error = await endOf(code);
  expect(error).toMatchObject({ name: 'GraftError', code: 'sleep.thread', exitCode: 1 });
  expect(error.message).toContain(`A thread that sleeps ${problem}`);
});

test('the end of a thread is reported when it runs out of memory', async () => {
  const hoard = 'const all = []; for (;;) all.push(new Array(1000).fill(all.length))';
  const error = await endOf(hoard, { resourceLimits: { maxOldGenerationSizeMb: 16 } });
  expect(error).toMatchObject({ code: 'sleep.thread', message: 'A thread that sleeps has run out of memory.' });
  expect(error.hint).toContain('--max-old-space-size');
});

test('the end of a thread is reported once', async () => {
  const ends: string[] = [];
  const worker = new Worker("throw new Error('x')", { eval: true });
  onThreadEnd(worker, 'A thread', 'x', ({ message }) => ends.push(message));
  await new Promise((resolve) => worker.on('exit', resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(ends).toEqual(['A thread failed: x.']);
});
