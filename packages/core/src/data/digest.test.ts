import { DataError } from '@graft/engine';
import fc from 'fast-check';
import type { Dataset, HostFields } from '../interfaces';
import { compareData, findDifference, itemDigest, summary, type DataDigests } from './digest';
import { ItemReader, type ItemBatch } from './items';

const ints = (...values: number[]): HostFields[string] => ({
  dtype: 'int32',
  shape: [values.length],
  values: Int32Array.from(values),
});

describe('the digest of an item', () => {
  const digests = (...items: HostFields[]): number => new Set(items.map(itemDigest)).size;

  it('a digest depends on names, dtypes, shapes and every value', () => {
    const floats = { dtype: 'float32', shape: [2], values: Float32Array.from([1, 2]) } as const;
    const raised = { ...ints(1, 2), shape: [2, 1] };
    expect(digests({ a: ints(1, 2) }, { b: ints(1, 2) }, { a: ints(2, 1) }, { a: raised }, { a: floats })).toBe(5);
    expect(digests({ a: ints(1, 2), b: ints(3) }, { a: ints(1), b: ints(2, 3) }, { a: ints(1, 2, 3) })).toBe(3);
  });

  it('a digest depends neither on the order of the fields nor on their memory', () => {
    const view = { ...ints(1, 2), values: Int32Array.from([9, 1, 2, 9]).subarray(1, 3) };
    expect(digests({ a: ints(1, 2), b: ints(3) }, { b: ints(3), a: view })).toBe(1);
  });
});

/** The numbers from 0 on; `change` says what stands in a place. */
function numbers(change: (number: number) => number, kind: Dataset['kind'], name = 'x'): Dataset {
  let next = 0;
  return {
    kind,
    fields: [{ name, dtype: 'int32', rank: 1 }],
    position: () => ({ next }),
    restore: () => Promise.resolve(),
    skip: (items) => {
      next += items;
      return Promise.resolve(items);
    },
    async *[Symbol.asyncIterator]() {
      for (;;) yield { [name]: ints(change(next++)) };
    },
  };
}

const same = (number: number): number => number;
const other =
  (...places: number[]) =>
  (number: number): number =>
    places.includes(number) ? -1 : number;

const PER_WORKER = 2;

/** What each worker finds of the first batches. */
function readers(changes: ((number: number) => number)[], kind: Dataset['kind'] = 'examples'): ItemReader[] {
  const count = changes.length;
  return changes.map(
    (change, rank) =>
      new ItemReader(numbers(change, kind), { batchSize: PER_WORKER * count, batchSlice: { rank, count } }),
  );
}

async function compareNext(all: readonly ItemReader[], step = 1): Promise<void> {
  const digests = (await Promise.all(all.map((one) => one.next()))).map((read) => (read as ItemBatch).digests!);
  const compare = (own: DataDigests): Promise<void> =>
    compareData({
      step,
      dataset: 'dataset "text/jsonl"',
      addresses: all.map((_, rank) => `host:${rank}`),
      own,
      all: digests.map(summary),
      exchange: () => Promise.resolve(digests),
    });
  const outcomes = await Promise.allSettled(digests.map(compare));
  const reasons = outcomes.map((one) => (one.status === 'rejected' ? (one.reason as Error).message : undefined));
  // Either all workers go on or none, with one sentence.
  expect(new Set(reasons).size).toBe(1);
  const [first] = outcomes;
  if (first.status === 'rejected') throw first.reason;
}

describe('workers with copies of the data', () => {
  it.each(['examples', 'batch'] as const)('workers continue while their data are the same: %s', async (kind) => {
    const all = readers([same, same, same], kind);
    for (let step = 1; step < 5; step++) await compareNext(all, step);
  });

  it('workers stop before the step that would use different data, and the error names the item', async () => {
    const all = readers([same, other(6)]);
    await compareNext(all, 1);
    const error: unknown = await compareNext(all, 2).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DataError);
    expect(error).toMatchObject({
      code: 'data.differs',
      exitCode: 1,
      message:
        'Workers 0 (host:0) and 1 (host:1) read different data for step 2: item 3 of the batch of dataset "text/jsonl" is not the same.',
    });
    expect((error as DataError).hint).toContain('sha256sum');
  });

  it('workers detect ready batches that differ', async () => {
    const all = readers([same, same, other(1)], 'batch');
    await compareNext(all, 1);
    await expect(compareNext(all, 2)).rejects.toThrow(
      'Workers 0 (host:0) and 2 (host:2) read different data for step 2',
    );
  });

  it('workers detect data of different sizes by their positions', async () => {
    const [first] = readers([same, same]);
    const second = new ItemReader(
      { ...numbers(same, 'examples'), position: () => ({ data: 'of another size' }) },
      { batchSize: 4, batchSlice: { rank: 1, count: 2 } },
    );
    await expect(compareNext([first, second])).rejects.toThrow(
      'Workers 0 (host:0) and 1 (host:1) read different data for step 1: the position in the data of dataset "text/jsonl" is not the same.',
    );
  });

  it('workers detect every differing item before it is used', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 5 }).chain((workers) =>
          fc.record({
            workers: fc.constant(workers),
            odd: fc.integer({ min: 0, max: workers - 1 }),
            place: fc.integer({ min: 0, max: PER_WORKER * workers - 1 }),
          }),
        ),
        async ({ workers, odd, place }) => {
          const changes = Array.from({ length: workers }, (_, rank) => (rank === odd ? other(place) : same));
          const owner = Math.floor(place / PER_WORKER);
          const noticed = compareNext(readers(changes)).then(
            () => false,
            () => true,
          );
          // Where it is another's to use, this worker's file does no harm in this step.
          const reads = owner === odd || owner === (odd + 1) % workers;
          expect(await noticed).toBe(reads);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a single worker computes no digests', async () => {
    const [one] = readers([same]);
    expect(await one.next()).not.toHaveProperty('digests');
  });

  it('slices that only one worker has read are not compared', () => {
    const digests: DataDigests = { position: 'p', slices: { 0: ['a'] } };
    expect(findDifference([summary(digests), summary({ ...digests, slices: { 1: ['b'] } })])).toBeUndefined();
  });
});
