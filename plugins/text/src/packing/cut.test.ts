/** Windows of the length that each example requests, from one stream of tokens. */
import { createRandom, type Dataset, type HostFields, type JsonValue } from '@graft/core';
import { ItemReader } from '@graft/core/internal';
import fc from 'fast-check';
import { MixtureDataset } from '../datasets/mixture';
import { PackedDataset } from './packed';
import type { Cursor, TokenChunk, TokenSource } from './token-source';

type Counter = Cursor & { readonly chunk: number };

/** The numbers from 0 on, a few at a time, so that every token shows its position. */
class Numbers implements TokenSource<Counter> {
  readonly start: Counter = { epoch: 0, chunk: 0 };

  constructor(private readonly chunks = Infinity) {}

  read({ chunk }: Counter): Promise<TokenChunk<Counter> | undefined> {
    if (chunk >= this.chunks) return Promise.resolve(undefined);
    const tokens = Int32Array.from({ length: 7 }, (_, i) => 7 * chunk + i);
    return Promise.resolve({ tokens, endsDocument: chunk % 3 === 0, next: { epoch: 0, chunk: chunk + 1 } });
  }
}

const open = (blockWindows: number, chunks?: number): PackedDataset<Counter> =>
  new PackedDataset(new Numbers(chunks), {
    ...{ lengthTokens: 5, blockWindows, random: createRandom(1), fingerprint: 'numbers' },
  });
const tokensOf = (item: HostFields): number[] => Array.from(item.tokens.values);

/** Consecutive items of these lengths. */
async function items(dataset: Dataset, lengths: readonly (number | undefined)[]): Promise<number[][]> {
  const iterator = dataset[Symbol.asyncIterator]();
  const found: number[][] = [];
  for (const length of lengths) {
    dataset.cut!(length);
    const { value, done } = await iterator.next();
    if (done) break;
    found.push(tokensOf(value));
  }
  return found;
}

const lengths = fc.array(fc.constantFrom(undefined, 3, 5, 8, 20), { minLength: 1, maxLength: 60 });
const blocks = fc.constantFrom(1, 2, 4);

it('windows have the requested lengths, are contiguous, and contain no token twice', () =>
  fc.assert(
    fc.asyncProperty(lengths, blocks, async (asked, blockWindows) => {
      const windows = await items(open(blockWindows), asked);
      expect(windows.map(({ length }) => length)).toEqual(asked.map((length) => length ?? 5));
      for (const window of windows) expect(window).toEqual(window.map((_, i) => window[0] + i));
      const all = windows.flat();
      expect(new Set(all).size).toBe(all.length);
      // With one window per block, nothing is left out between them either.
      if (blockWindows === 1) expect(all).toEqual(all.map((_, i) => i));
    }),
  ));

it('windows leave no token out once the blocks of every length are complete', async () => {
  const asked = [3, 8, 8, 3, 8, 3, 20, 3, 8, 20, 20, 20];
  const all = (await items(open(4), asked)).flat().sort((a, b) => a - b);
  expect(all).toEqual(all.map((_, i) => i));
  expect(all).toHaveLength(4 * (3 + 8 + 20));
});

it('any saved position continues with the same windows', () =>
  fc.assert(
    fc.asyncProperty(lengths, blocks, fc.nat(), async (asked, blockWindows, at) => {
      const whole = await items(open(blockWindows), asked);
      const cut = at % (asked.length + 1);
      const first = open(blockWindows);
      await items(first, asked.slice(0, cut));
      const saved = JSON.parse(JSON.stringify(first.position())) as JsonValue;
      const second = open(blockWindows);
      await second.restore(saved);
      expect(second.position()).toEqual(saved);
      expect(await items(second, asked.slice(cut))).toEqual(whole.slice(cut));
    }),
  ));

it('windows do not depend on the worker, the thread, or skipped items', async () => {
  const wanted = (batch: number, index: number): number => [3, 5, 8, 20][(3 * batch + index * index) % 4];
  const read = async (
    batchSlice: { rank: number; count: number },
    threadStride: { index: number; count: number },
  ): Promise<string[]> => {
    const reader = new ItemReader(open(4), { batchSize: 4, batchSlice, threadStride }, undefined, wanted);
    const found: string[] = [];
    for (let batch = threadStride.index; batch < 12; batch += threadStride.count) {
      const next = await reader.next();
      if ('ended' in next) throw new Error('ended');
      next.items.forEach((item, i) =>
        found.push(`${batch} ${next.first + i}: ${tokensOf(item).join()} then ${JSON.stringify(next.position)}`),
      );
    }
    return found;
  };
  const alone = await read({ rank: 0, count: 1 }, { index: 0, count: 1 });
  expect(alone).toHaveLength(48);
  const parts: string[] = [];
  for (const rank of [0, 1])
    for (const index of [0, 1, 2]) parts.push(...(await read({ rank, count: 2 }, { index, count: 3 })));
  expect(parts.sort()).toEqual(alone.sort());
});

it('the position keeps its old form while all windows have the default length', async () => {
  const dataset = open(2);
  await items(dataset, [undefined, undefined, undefined]);
  expect(dataset.position()).toEqual({
    data: 'numbers',
    block: 1,
    done: 1,
    start: { chunk: { epoch: 0, chunk: 1 }, used: 3 },
  });
  await items(dataset, [3]);
  expect(dataset.position()).toMatchObject({
    place: { used: 5 },
    blocks: [
      { tokens: 5, block: 1, done: 1 },
      { tokens: 3, block: 0, done: 1 },
    ],
  });
});

it('windows end when none of the requested length is left, and shorter ones may follow', async () => {
  const dataset = open(1, 4);
  const asked = [20, 20, 3, 3];
  expect((await items(dataset, asked)).map(({ length }) => length)).toEqual([20]);
  expect((await items(dataset, [3, 3, 3])).flat()).toEqual([20, 21, 22, 23, 24, 25]);
  await expect(items(open(1, 4), [40])).rejects.toThrow('The dataset holds fewer than 40 tokens, which is one window.');
});

it('a mixture passes the requested lengths to its datasets', async () => {
  const members = [open(2), open(2)].map((dataset) => ({ dataset, rate: 1 }));
  const mixture = new MixtureDataset(members, 'stop', createRandom(2));
  const windows = await items(mixture, [3, 8, 20, 3, 3, 8]);
  expect(windows.map(({ length }) => length)).toEqual([3, 8, 20, 3, 3, 8]);
});
