import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { storedWidth, type StoredDtype } from './dtypes';
import { readHostTensors, writeHostTensors } from './host';
import { SafetensorsReader } from './reader';
import { writeSafetensors, type TensorSource } from './writer';

/** A file with any header. */
function craft(header: unknown, data = Buffer.alloc(0), claimed?: bigint): string {
  const file = join(temporaryFolder(), 'crafted.safetensors');
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(json.length));
  writeFileSync(file, Buffer.concat([length, json, data]));
  return file;
}

const f32 = (shape: number[], start: number, end: number): object => ({
  dtype: 'F32',
  shape,
  data_offsets: [start, end],
});

test.each<[string, () => string, RegExp]>([
  ['an empty file', () => craft('', Buffer.alloc(0), 0n), /its header of \d+ bytes is not valid JSON: /],
  [
    'a header longer than the file',
    () => craft({}, Buffer.alloc(0), 5000n),
    /its header claims 5000 bytes, but the file has 10/,
  ],
  ['a header beyond reason', () => craft({}, Buffer.alloc(0), 2n ** 40n), /its header claims 1099511627776 bytes/],
  ['a header that is no JSON', () => craft('{"a": '), /its header of \d+ bytes is not valid JSON: /],
  [
    'a header 20,000 deep',
    () => craft(`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`),
    /its header of 40006 bytes is not valid JSON: it has more than 500 objects and lists within each other \(1:505\)/,
  ],
  ['a header that is a list', () => craft([]), /its header is not a JSON object/],
  [
    'an unknown dtype',
    () => craft({ a: { dtype: 'F8', shape: [1], data_offsets: [0, 1] } }, Buffer.alloc(1)),
    /tensor "a" has an unknown dtype: expected one of F64.*got "F8"/,
  ],
  ['a negative shape', () => craft({ a: f32([-1], 0, 4) }, Buffer.alloc(4)), /tensor "a" has no valid shape/],
  [
    'offsets that are no numbers',
    () => craft({ a: { dtype: 'F32', shape: [1], data_offsets: ['0', '4'] } }, Buffer.alloc(4)),
    /no valid data_offsets/,
  ],
  [
    'offsets that contradict the shape',
    () => craft({ a: f32([2], 0, 4) }, Buffer.alloc(4)),
    /tensor "a" has data_offsets that contradict its shape: expected 8 bytes for F32 \[2\], got 4/,
  ],
  [
    'offsets beyond the file',
    () => craft({ a: f32([2], 0, 8) }, Buffer.alloc(4)),
    /tensor "a" lies outside of the file: expected a file of at least \d+ bytes, got \d+ bytes/,
  ],
  [
    'an overlap',
    () => craft({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, Buffer.alloc(12)),
    /tensor "b" overlaps another: expected to start at byte \d+, got \d+/,
  ],
  [
    'a hole',
    () => craft({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, Buffer.alloc(12)),
    /tensor "b" leaves a hole before it: expected to start at byte \d+, got \d+/,
  ],
  [
    'a name given twice, of which JSON.parse would keep the last',
    () => craft(`{"a":${JSON.stringify(f32([1], 0, 4))},"a":${JSON.stringify(f32([1], 0, 4))}}`, Buffer.alloc(4)),
    /is not valid JSON: the key "a" is there twice \(1:55\)/,
  ],
  [
    'bytes that no tensor claims',
    () => craft({ a: f32([1], 0, 4) }, Buffer.alloc(9)),
    /expected \d+ bytes, as its header says, got \d+/,
  ],
])('%s is rejected in a sentence that names the file', async (_, make, message) => {
  const file = make();
  const error = await SafetensorsReader.open(file).catch((e: unknown) => e as Error);
  expect(error).toMatchObject({ name: 'CheckpointError' });
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).toContain(file);
});

test('the errors distinguish a missing file from a folder', async () => {
  await expect(SafetensorsReader.open('/nowhere/x.safetensors')).rejects.toThrow(
    '/nowhere/x.safetensors cannot be read: there is no such file.',
  );
  await expect(SafetensorsReader.open(temporaryFolder())).rejects.toThrow(/it is a folder/);
});

test('a file truncated at any byte is rejected', async () => {
  const file = join(temporaryFolder(), 'x.safetensors');
  await writeHostTensors(file, { a: { dtype: 'float32', shape: [5], values: Float32Array.of(1, 2, 3, 4, 5) } });
  for (let size = readFileSync(file).length - 1; size >= 0; size--) {
    truncateSync(file, size);
    await expect(SafetensorsReader.open(file)).rejects.toThrow(/is not a whole safetensors file|is empty \(0 bytes\)/);
  }
});

const DTYPES: StoredDtype[] = ['F32', 'F16', 'BF16', 'I32', 'I64', 'U8', 'BOOL', 'F64'];
const tensors = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1 }).filter((name) => name !== '__metadata__'),
    dtype: fc.constantFrom(...DTYPES),
    shape: fc.array(fc.nat({ max: 5 }), { maxLength: 3 }),
    seed: fc.nat(),
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);

test('names, dtypes, shapes and bytes are read as written, whole or in pieces', async () => {
  const folder = temporaryFolder();
  let count = 0;
  await fc.assert(
    fc.asyncProperty(tensors, fc.integer({ min: 1, max: 7 }), async (list, piece) => {
      const file = join(folder, `${count++}.safetensors`);
      const bytes = list.map(({ dtype, shape, seed }) =>
        Uint8Array.from(
          { length: shape.reduce((product, size) => product * size, storedWidth(dtype)) },
          (_, i) => (seed + i * 37) & 255,
        ),
      );
      const sources: TensorSource[] = list.map(({ name, dtype, shape }, i) => ({
        name,
        dtype,
        shape,
        data: async function* () {
          for (let at = 0; at < bytes[i].length; at += piece) yield bytes[i].subarray(at, at + piece);
        },
      }));
      await writeSafetensors(file, sources, { metadata: { note: 'x' } });
      const reader = await SafetensorsReader.open(file);
      expect([...reader.tensors.keys()].sort()).toEqual(list.map(({ name }) => name).sort());
      expect(reader.metadata).toEqual({ note: 'x' });
      for (const [i, { name, dtype, shape }] of list.entries()) {
        expect(reader.info(name)).toMatchObject({ dtype, shape });
        expect(Array.from(await reader.readBytes(name))).toEqual(Array.from(bytes[i]));
        const pieces: number[] = [];
        for await (const chunk of reader.chunks(name, piece)) pieces.push(...chunk);
        expect(pieces).toEqual(Array.from(bytes[i]));
      }
      await reader.close();
    }),
    { numRuns: 60 },
  );
});

test('the tensor data begin at a multiple of eight bytes', async () => {
  const file = join(temporaryFolder(), 'x.safetensors');
  for (const name of ['a', 'ab', 'abc', 'abcdefg']) {
    await writeHostTensors(file, { [name]: { dtype: 'int32', shape: [], values: Int32Array.of(7) } });
    expect(Number(readFileSync(file).readBigUInt64LE()) % 8).toBe(0);
    expect((await readHostTensors(file))[name]).toEqual({ dtype: 'int32', shape: [], values: Int32Array.of(7) });
  }
});

test('a source that fails or has too few bytes leaves no file', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'x.safetensors');
  const short: TensorSource = { name: 'a', dtype: 'F32', shape: [3], data: () => new Float32Array(2) };
  await expect(writeSafetensors(file, [short])).rejects.toThrow(
    'Tensor "a" (F32 [3]) takes 12 bytes, but 8 were given.',
  );
  const failing: TensorSource = { ...short, data: () => Promise.reject(new Error('the source broke')) };
  await expect(writeSafetensors(file, [failing])).rejects.toThrow(/could not be written: the source broke/);
  await expect(writeSafetensors(file, [short, short])).rejects.toThrow('Tensor "a" was given twice.');
  expect(readdirSync(folder)).toEqual([]);
  expect(existsSync(file)).toBe(false);
});

test('metadata that are not strings and invalid piece sizes are rejected', async () => {
  const file = join(temporaryFolder(), 'x.safetensors');
  const source: TensorSource = { name: 'a', dtype: 'I32', shape: [1], data: () => Int32Array.of(7) };
  await expect(writeSafetensors(file, [source], { metadata: { step: 3 as never } })).rejects.toThrow(
    'The metadata "step" are a number; the format holds texts alone.',
  );
  await writeSafetensors(file, [source], { metadata: { step: '3' } });
  const reader = await SafetensorsReader.open(file);
  await expect(reader.chunks('a', NaN).next()).rejects.toThrow('pieces of NaN bytes cannot be read');
  await reader.close();
});
