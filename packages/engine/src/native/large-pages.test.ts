import { LargePages } from './large-pages';

interface Advice {
  readonly start: bigint;
  readonly bytes: bigint;
}

/** With a heap that ends at `end()`. */
function pages(end: () => number): { pages: LargePages; advised: Advice[] } {
  const advised: Advice[] = [];
  const madvise = (start: bigint, bytes: bigint): number => {
    advised.push({ start, bytes });
    return 0;
  };
  return { pages: new LargePages(madvise, end), advised };
}

const MIB = 1 << 20;

test('small tensors are left alone', () => {
  const { pages: large, advised } = pages(() => 64 * MIB);
  large.prepare(BigInt(MIB), 1000);
  expect(advised).toEqual([]);
});

test('a tensor on the heap names the heap behind it, once', () => {
  let end = 64 * MIB;
  const { pages: large, advised } = pages(() => end);
  large.prepare(BigInt(8 * MIB + 16), MIB);
  expect(advised).toEqual([{ start: BigInt(8 * MIB), bytes: BigInt(56 * MIB) }]);
  large.prepare(BigInt(20 * MIB), MIB);
  expect(advised).toHaveLength(1);
  end = 96 * MIB;
  large.prepare(BigInt(70 * MIB), MIB);
  expect(advised[1]).toEqual({ start: BigInt(64 * MIB), bytes: BigInt(32 * MIB) });
});

test('a block of its own is named alone, on whole pages', () => {
  const { pages: large, advised } = pages(() => 64 * MIB);
  large.prepare(BigInt(900 * MIB + 100), MIB);
  expect(advised).toEqual([{ start: BigInt(900 * MIB), bytes: BigInt(MIB) }]);
});

test('a C library without these functions is no obstacle', () => {
  expect(() => new LargePages(undefined, undefined).prepare(BigInt(MIB), MIB)).not.toThrow();
});
