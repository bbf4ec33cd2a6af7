import fc from 'fast-check';
import { readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { digestOf } from './digest';
import { FileRange } from './direct';
import { SafetensorsReader } from './reader';
import { inOrder, writeSafetensorsInto, writeSafetensorsWith, type TensorSource } from './writer';

const NOISE = Uint8Array.from({ length: 1 << 16 }, (_, i) => (i * 2654435761) >>> 24);

interface Piece {
  readonly length: number;
  readonly from: number;
  /** Out of another file, instead of memory. */
  readonly stored: boolean;
}

/** Tensors of bytes in pieces, some of which lie in a file. */
async function check(folder: string, tensors: readonly (readonly Piece[])[], concurrency: number): Promise<void> {
  const noise = join(folder, 'noise');
  writeFileSync(noise, NOISE);
  const handle = await open(noise);
  const bytesOf = ({ from, length }: Piece): Uint8Array => NOISE.subarray(from, from + length);
  const sources = tensors.map((pieces, i): TensorSource => ({
    name: `t${i}`,
    dtype: 'U8',
    shape: [pieces.reduce((sum, { length }) => sum + length, 0)],
    computed: i % 3 === 1,
    async *data() {
      for (const piece of pieces) {
        await Promise.resolve();
        yield piece.stored ? new FileRange(handle, noise, piece.from, piece.length) : bytesOf(piece);
      }
    },
  }));
  const written = [true, false].map((streams) => ({ streams, file: join(folder, `${streams}.safetensors`) }));
  for (const { streams, file } of written) {
    const options = { streams, digests: concurrency === 1 };
    const digests = await writeSafetensorsInto(file, sources, inOrder(sources, concurrency), options);
    tensors.forEach((pieces, i) => {
      expect(digests?.tensors[`t${i}`]).toBe(
        options.digests ? digestOf(Buffer.concat(pieces.map(bytesOf))) : undefined,
      );
    });
  }
  await handle.close();
  // Past the cache or through it: the files are equal, and hold what was given.
  expect(readFileSync(written[0].file).equals(readFileSync(written[1].file))).toBe(true);
  const reader = await SafetensorsReader.open(written[0].file);
  for (const [i, pieces] of tensors.entries()) {
    const found = Buffer.from(await reader.readBytes(`t${i}`));
    expect(found.equals(Buffer.concat(pieces.map(bytesOf)))).toBe(true);
  }
  await reader.close();
}

const piece = fc.record({
  length: fc.nat(20_000),
  from: fc.nat(NOISE.length - 20_000),
  stored: fc.boolean(),
});

test('tensors of any length in any pieces are written whole, through the page cache and past it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(piece, { maxLength: 4 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 3 }),
      (tensors, concurrency) => check(temporaryFolder(), tensors, concurrency),
    ),
    { numRuns: 40 },
  );
});

test('tensors longer than the buffers are written whole', async () => {
  const long = Array.from({ length: 170 }, (_, i) => ({ length: 60_000 + i, from: i, stored: i % 2 === 0 }));
  await check(temporaryFolder(), [long, [{ length: 3, from: 1, stored: false }], long.slice(1)], 2);
});

test('a tensor with too many or too few bytes is rejected by name', async () => {
  const file = join(temporaryFolder(), 'a.safetensors');
  const source = (length: number): TensorSource => ({
    name: 'odd',
    dtype: 'U8',
    shape: [5000],
    async *data() {
      await Promise.resolve();
      yield NOISE.subarray(0, length);
    },
  });
  for (const length of [4999, 5001])
    await expect(
      writeSafetensorsWith(file, [source(length)], inOrder([source(length)]), { streams: true }),
    ).rejects.toThrow(/"odd" \(U8 \[5000\]\) takes 5000 bytes, but/);
});
