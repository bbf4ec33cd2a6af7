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

test('a small tensor triggers no advice', () => {
  const { pages: large, advised } = pages(() => 64 * MIB);
  large.prepare(BigInt(MIB), 1000);
  expect(advised).toEqual([]);
});

test('a tensor on the heap triggers advice for the rest of the heap, once', () => {
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

test('a separately mapped block gets advice for its own whole pages', () => {
  const { pages: large, advised } = pages(() => 64 * MIB);
  large.prepare(BigInt(900 * MIB + 100), MIB);
  expect(advised).toEqual([{ start: BigInt(900 * MIB), bytes: BigInt(MIB) }]);
});

test('a C library without these functions is harmless', () => {
  expect(() => new LargePages(undefined, undefined).prepare(BigInt(MIB), MIB)).not.toThrow();
});

test('memory reserved for the next allocation gets advice and is freed', () => {
  let end = 8 * MIB;
  const advised: Advice[] = [];
  const freed: bigint[] = [];
  const large = new LargePages(
    (start, bytes) => advised.push({ start, bytes }) - advised.length,
    () => end,
    {
      allocate: (bytes) => {
        const start = end;
        end += bytes;
        return start;
      },
      free: (start) => freed.push(start),
    },
  );
  large.reserve(4 * MIB);
  expect(advised).toEqual([{ start: BigInt(8 * MIB), bytes: BigInt(4 * MIB) }]);
  expect(freed).toEqual([BigInt(8 * MIB)]);
  large.reserve(5000 * MIB);
  expect(end).toBe((12 + 1024) * MIB);
  expect(freed.slice(1)).toEqual([BigInt(12 * MIB), BigInt((12 + 512) * MIB)]);
});

test('heap memory that was returned gets advice again when it is reused', () => {
  let end = 64 * MIB;
  const { pages: large, advised } = pages(() => end);
  large.prepare(BigInt(8 * MIB), MIB);
  end = 16 * MIB;
  large.prepare(BigInt(8 * MIB), MIB);
  end = 64 * MIB;
  large.prepare(BigInt(40 * MIB), MIB);
  expect(advised[1]).toEqual({ start: BigInt(16 * MIB), bytes: BigInt(48 * MIB) });
});

test('nothing is reserved when no memory is left', () => {
  const advised: bigint[] = [];
  const large = new LargePages(
    (start) => advised.push(start),
    () => 64 * MIB,
    { allocate: () => 0, free: () => undefined },
  );
  large.reserve(MIB);
  expect(advised).toEqual([]);
});
