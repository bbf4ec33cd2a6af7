import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { failureOf } from '@graft/test-support';
import { openEngine, tf, type Engine, type EngineMode, type WorkerGroup, type WorkersError } from '../../index';
import { freeAddresses } from '../ports';

/** All workers of a group are in this process: nothing that they share knows. */
let engine: Engine;
let open: WorkerGroup[] = [];
beforeAll(async () => {
  engine = await openEngine({ mode: 'eager' });
});
afterEach(async () => {
  await Promise.all(open.map((group) => group.leave()));
  open = [];
  expect(leftovers()).toEqual([]);
});

async function group(count: number, bucketBytes?: number): Promise<WorkerGroup[]> {
  const workers = await freeAddresses(count);
  const joining = workers.map((_, rank) =>
    engine.collectives.join({
      workers,
      rank,
      bucketBytes,
      secret: '0123456789abcdef',
      local: true,
      timeoutMs: 20_000,
    }),
  );
  open = await Promise.all(joining);
  return open;
}

/** What is in a folder, and what is mapped without a process that uses it. */
function leftovers(): string[] {
  return ['/dev/shm', tmpdir()].flatMap((folder) =>
    readdirSync(folder).filter((name) => name.startsWith(`graft-workers-${process.pid}-`)),
  );
}

const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('graft-workers').length - 1;

const shapes = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 3 }), { maxLength: 6 });
/** Bytes of a piece, rounded up to 64: many pieces, one that just fits, and one for all. */
const PIECES = [64, 192, 4096];

describe.each<[number, number, EngineMode]>([
  [2, PIECES[0], 'eager'],
  [2, PIECES[2], 'eager'],
  [3, PIECES[1], 'eager'],
  [2, PIECES[1], 'portable'],
])('%d workers with pieces of %d bytes, %s', (count, pieceBytes, mode) => {
  beforeAll(async () => {
    engine = await openEngine({ mode });
  });
  afterAll(async () => {
    engine = await openEngine({ mode: 'eager' });
  });

  test('workers sum tensors of any shapes and all get the same result', async () => {
    const groups = await group(count, pieceBytes);
    let seed = 1;
    const { handles, tensors } = engine.memory();
    await fc.assert(
      fc.asyncProperty(shapes, async (shapes) => {
        const values = groups.map(() => shapes.map((shape) => tf.randomNormal(shape, 0, 1, 'float32', seed++)));
        const given = values.map((tensors) => tensors.map((tensor) => tensor.dataSync() as Float32Array));
        const sums = await Promise.all(groups.map((one, rank) => one.sum(values[rank])));
        shapes.forEach((shape, i) => {
          const expected = given[0][i].map((_, element) =>
            given.reduce((sum, tensors) => Math.fround(sum + tensors[i][element]), 0),
          );
          for (const tensors of sums) {
            expect(tensors[i].shape).toEqual(shape);
            expect(tensors[i].dataSync()).toEqual(expected);
          }
        });
        expect(values.flat().every(({ isDisposed }) => isDisposed)).toBe(true);
        tf.dispose(sums);
      }),
      { numRuns: 60 },
    );
    expect(engine.memory()).toMatchObject({ handles, tensors });
  });

  test('workers broadcast tensors to all and send tensors to one', async () => {
    const groups = await group(count, pieceBytes);
    const specs = fc.array(
      fc.record({
        shape: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 3 }),
        dtype: fc.constantFrom('float32', 'int32'),
      }),
      { maxLength: 5 },
    );
    let seed = 1;
    await fc.assert(
      fc.asyncProperty(specs, fc.nat(count - 1), async (specs, from) => {
        const tensors = specs.map(({ shape, dtype }) => tf.randomUniform(shape, -1e6, 1e6, dtype as 'int32', seed++));
        const expected = tensors.map((tensor) => ({
          shape: tensor.shape,
          dtype: tensor.dtype,
          values: tensor.dataSync(),
        }));
        const to = (from + 1) % count;
        const [arrived, received] = await Promise.all([
          Promise.all(groups.map((one, rank) => one.broadcast(rank === from ? tensors : (specs as never[]), from))),
          (async () => {
            const received: tf.Tensor[] = [];
            for (const spec of expected) received.push(await groups[to].receive(spec, from));
            return received;
          })(),
          (async () => {
            for (const tensor of tensors) await groups[from].send(tensor, to);
          })(),
        ]);
        for (const list of [...arrived, received])
          expect(
            list.map((tensor) => ({ shape: tensor.shape, dtype: tensor.dtype, values: tensor.dataSync() })),
          ).toEqual(expected);
        expect(tensors.every(({ isDisposed }) => !isDisposed)).toBe(true);
        tf.dispose([arrived, received]);
      }),
      { numRuns: 40 },
    );
  });
});

test('concurrent collectives do not mix', async () => {
  const groups = await group(3, 64);
  const results = await Promise.all(
    groups.map((one, rank) =>
      Promise.all([
        one.sum([tf.fill([100], rank)]),
        one.sum([tf.fill([50], 10 ** rank)]),
        ...[0, 1, 2].map((from) =>
          one.broadcast([rank === from ? tf.fill([70], from) : { shape: [70], dtype: 'float32' }], from),
        ),
        one.exchange(rank),
      ]),
    ),
  );
  for (const [small, large, ...rest] of results) {
    expect(small[0].dataSync()).toEqual(new Float32Array(100).fill(3));
    expect(large[0].dataSync()).toEqual(new Float32Array(50).fill(111));
    [0, 1, 2].forEach((from) =>
      expect((rest[from] as tf.Tensor[])[0].dataSync()).toEqual(new Float32Array(70).fill(from)),
    );
    expect(rest[3]).toEqual([0, 1, 2]);
  }
});

test('collectives wait for tensors that are still being computed', async () => {
  const compiled = await openEngine({ mode: 'graph' });
  const double = compiled.jit((x: tf.Tensor) => tf.mul(x, 2));
  const x = tf.ones([1000]);
  tf.dispose(await double.enqueue(x));
  const groups = await group(2);
  const sums = await Promise.all(groups.map(async (one) => one.sum([await double.enqueue(x)])));
  for (const [sum] of sums) expect(sum.dataSync()).toEqual(new Float32Array(1000).fill(4));
});

test('tensors of different sizes are an error for all workers', async () => {
  const groups = await group(2);
  const failures = await Promise.all(
    groups.map((one, rank) =>
      failureOf<WorkersError>(one.sum([tf.ones([rank + 1])])).then(
        async (error) => (await one.fail(error.message), error),
      ),
    ),
  );
  for (const { message } of failures)
    expect(message).toMatch(/Worker [01] has tensors of (4|8) bytes in a call in which worker [01] has (4|8) bytes/);
  expect(mappings()).toBe(0);
});

test('workers on several hosts need native TensorFlow', async () => {
  const { collectives } = await openEngine({ mode: 'portable' });
  const failure = failureOf<WorkersError>(
    collectives.join({ workers: ['a:1', 'b:2'], rank: 0, secret: '0123456789abcdef', insecureNetwork: true }),
  );
  expect((await failure).message).toContain('this worker has the portable engine');
  await openEngine({ mode: 'eager' });
});

test('workers sum only float32 tensors and send only float32 and int32 tensors', async () => {
  const groups = await group(2);
  const tensor = tf.ones([1], 'int32');
  expect((await failureOf<WorkersError>(groups[0].sum([tensor]))).message).toBe(
    'Workers sum float32 tensors, not int32.',
  );
  expect(tensor.isDisposed).toBe(true);
  const { message } = await failureOf<WorkersError>(groups[0].send(tf.tensor(['a']), 1));
  expect(message).toBe('Workers send float32 and int32 tensors, not string.');
});

describe('a worker that has ended', () => {
  test('a worker that fails ends the calls of the others with its reason', async () => {
    const groups = await group(3);
    const waiting = [
      failureOf<WorkersError>(groups[0].sum([tf.ones([10])])),
      failureOf<WorkersError>(groups[1].receive({ shape: [2], dtype: 'float32' }, 2)),
    ];
    await new Promise((resolve) => setTimeout(resolve, 50));
    await groups[2].fail('the disk is full');
    for (const { message } of await Promise.all(waiting))
      expect(message).toMatch(/^Worker 2 \(.*\) stopped with an error: the disk is full$/);
    expect((await failureOf<WorkersError>(groups[0].sum([tf.ones([1])]))).message).toContain('the disk is full');
  });

  test('a worker that leaves ends the calls of the others that need it', async () => {
    const groups = await group(2);
    const before = tf.memory().numTensors;
    const waiting = failureOf<WorkersError>(groups[0].sum([tf.ones([10])]));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await groups[1].leave();
    expect((await waiting).message).toMatch(/^Worker 1 \(.*\) has ended before the others\.$/);
    expect((await failureOf<WorkersError>(groups[1].sum([tf.ones([1])]))).code).toBe('workers.left');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('workers that leave release their shared memory', async () => {
    const groups = await group(2);
    expect(mappings()).toBeGreaterThan(0);
    await Promise.all(groups.map((one) => one.leave()));
    expect(mappings()).toBe(0);
  });
});
