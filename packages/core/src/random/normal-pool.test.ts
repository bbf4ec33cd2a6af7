import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '@graft/test-support';
import { NormalPool } from './normal-pool';
import { createRandom } from './streams';

/** Tests run the sources; a thread runs what was compiled of them. */
const WORKER = join(ROOT, 'packages', 'core', 'dist', 'random', 'normal-worker.js');
const LENGTH = (1 << 20) + 12345;

async function all(pieces: AsyncIterable<Float32Array>): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for await (const piece of pieces) {
    parts.push(piece.slice());
    // Pieces are the consumer's to write over.
    piece.fill(NaN);
  }
  return Float32Array.from(parts.flatMap((part) => Array.from(part)));
}

function plain(name: string, length: number): Float32Array {
  const numbers = new Float32Array(length);
  createRandom(3).fork(name).fillNormal(numbers, 0.25);
  return numbers;
}

it('threads draw the same numbers as fillNormal, also for several sequences at a time', async () => {
  expect(existsSync(WORKER)).toBe(true);
  const pool = new NormalPool(2, WORKER);
  try {
    const stream = createRandom(3).fork('a');
    stream.uniform();
    const drawn = await Promise.all([
      all(pool.draw(stream, LENGTH, 0.25)),
      ...['b', 'c'].map((name) => all(pool.draw(createRandom(3).fork(name), LENGTH, 0.25))),
    ]);
    for (const [i, name] of ['a', 'b', 'c'].entries())
      expect(Buffer.from(drawn[i].buffer).equals(Buffer.from(plain(name, LENGTH).buffer))).toBe(true);
  } finally {
    await pool.dispose();
  }
});

it('the pool draws the same numbers without threads', async () => {
  const pool = new NormalPool(1, join(ROOT, 'nowhere.js'));
  for (const length of [0, 1, 1000, LENGTH])
    expect(await all(pool.draw(createRandom(3).fork('a'), length, 0.25))).toEqual(plain('a', length));
  await pool.dispose();
});

it.each([
  ['does not start', 'x', /^A thread that draws random numbers failed: x is not defined\.$/],
  ['exits before it answers', 'process.exit(0)', /^A thread that draws random numbers ended with status 0\.$/],
  [
    'exits when it is asked',
    "require('node:worker_threads').parentPort.on('message', () => process.exit(4))",
    /^A thread that draws random numbers ended with status 4\.$/,
  ],
])('a thread that %s is reported on every further call', async (_, code, message) => {
  const file = join(temporaryFolder(), 'thread.js');
  writeFileSync(file, code);
  const pool = new NormalPool(1, file);
  for (let times = 0; times < 2; times++) {
    const error: unknown = await all(pool.draw(createRandom(3).fork('a'), LENGTH, 1)).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'GraftError', code: 'random.thread', exitCode: 1 });
    expect((error as Error).message).toMatch(message);
  }
  await pool.dispose();
});
