import { ROOT, temporaryFolder } from '@graft/test-support';
import fc from 'fast-check';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { craftGguf, floats, ggufBytes, stored, type CraftedGguf } from '../../test-support/gguf-file';
import { readHostTensors } from '../safetensors/host';
import { GgufReader } from './reader';

const FIXTURES = join(ROOT, 'test', 'golden', 'fixtures', 'gguf');

async function valuesOf(reader: GgufReader, name: string): Promise<number[]> {
  const values: number[] = [];
  for await (const chunk of reader.float32Chunks(name)) values.push(...chunk);
  return values;
}

describe('blocks of every format', () => {
  it('all values are those of the published package, to the last bit', async () => {
    const reader = await GgufReader.open(join(FIXTURES, 'blocks.gguf'));
    const expected = await readHostTensors(join(FIXTURES, 'blocks.expected.safetensors'));
    expect([...reader.tensors.keys()]).toEqual(
      expect.arrayContaining(['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1']),
    );
    expect([...reader.tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [name, { shape, values }] of Object.entries(expected)) {
      expect([name, reader.info(name).shape]).toEqual([name, shape]);
      const got = Float32Array.from(await valuesOf(reader, name));
      const bits = ({ buffer }: Float32Array): Uint32Array => new Uint32Array(buffer);
      expect([name, ...bits(got)]).toEqual([name, ...bits(Float32Array.from(values))]);
    }
    await reader.close();
  });

  it('rows from the middle of a tensor are those of the whole', async () => {
    const reader = await GgufReader.open(join(FIXTURES, 'blocks.gguf'));
    for (const name of reader.tensors.keys())
      expect([...(await reader.rows(name, 1, 1))]).toEqual((await valuesOf(reader, name)).slice(256));
    await expect(reader.rows('F32', 1, 2)).rejects.toThrow('tensor "F32" has 2 rows; rows 1 to 3 were asked for.');
    await reader.close();
  });
});

it('metadata of every type are read', async () => {
  const keys = {
    'general.architecture': stored.text('llama'),
    small: stored.raw(1, Buffer.from([0xff])),
    count: stored.uint32(7),
    large: stored.uint64(2n ** 53n - 1n),
    rate: stored.float32(0.5),
    flag: stored.bool(true),
    words: stored.texts(['a', '▁b', '']),
    types: stored.int32s([1, -2, 3]),
    scores: stored.float32s([-0.5, 1]),
  };
  const reader = await GgufReader.open(
    craftGguf({ keys, tensors: [{ name: 'x', shape: [3], data: floats(1, 2, 3) }] }),
  );
  const { metadata } = reader;
  expect(metadata.text('general.architecture')).toBe('llama');
  expect(['small', 'count', 'large', 'rate'].map((key) => metadata.number(key))).toEqual([-1, 7, 2 ** 53 - 1, 0.5]);
  expect(metadata.flag('flag')).toBe(true);
  expect(metadata.texts('words')).toEqual(['a', '▁b', '']);
  expect([...metadata.numbers('types')!, ...metadata.numbers('scores')!]).toEqual([1, -2, 3, -0.5, 1]);
  expect(metadata.get('nothing')).toBeUndefined();
  expect(() => metadata.text('count')).toThrow('its key "count" is 7, expected a text.');
  expect(() => metadata.integer('rate')).toThrow('its key "rate" is 0.5, expected an integer of at least 0.');
  expect(() => metadata.flag('types')).toThrow('its key "types" is a list of 3 numbers, expected true or false.');
  expect(await valuesOf(reader, 'x')).toEqual([1, 2, 3]);
  await reader.close();
});

const x = { name: 'x', shape: [2], data: floats(1, 2) };

test.each<[string, CraftedGguf, RegExp]>([
  ['another kind of file', { magic: 'GGML' }, /it begins with "GGML", expected "GGUF"/],
  ['version 1', { version: 1 }, /it has version 1 of the format; Graft reads 2 and 3/],
  ['big-endian numbers', { version: 3 << 24 }, /its numbers are big-endian/],
  ['too many tensors', { claimedTensors: 2n ** 63n }, /its number of tensors is 9223372036854775808, expected at most/],
  ['too many keys', { claimedKeys: 2 ** 32 }, /its number of keys is 4294967296, expected at most/],
  ['fewer keys than it claims', { claimedKeys: 3 }, /it has 32 bytes, but .* would end at byte/],
  [
    'a text longer than the file',
    { keys: { a: stored.raw(8, Buffer.from([0, 0, 0, 0, 1, 0, 0, 0])) } },
    /the length of the value of "a" is 4294967296/,
  ],
  [
    'a text that is not UTF-8',
    { keys: { a: stored.text(Buffer.from([0xc3, 0x28])) } },
    /the value of "a" is not UTF-8: "Ã\("/,
  ],
  [
    'a list longer than the file',
    { keys: { a: stored.texts([], 2n ** 40n) } },
    /but the list of "a" would end at byte/,
  ],
  [
    'a list of lists',
    { keys: { a: stored.raw(9, Buffer.from([9, 0, 0, 0]), Buffer.alloc(8)) } },
    /the key "a" has lists in a list/,
  ],
  [
    'an unknown type of value',
    { keys: { a: stored.raw(77) } },
    /the key "a" has the type 77, which is none of uint8, /,
  ],
  [
    'a number of more than 53 bits',
    { keys: { a: stored.uint64(2n ** 60n) } },
    /the key "a" is 1152921504606846976, which has more than 53 bits/,
  ],
  [
    'a key twice',
    {
      keys: [
        ['a', stored.bool(true)],
        ['a', stored.bool(true)],
      ],
    },
    /the key "a" is there twice/,
  ],
  [
    'an alignment of 0',
    { keys: { 'general.alignment': stored.uint32(0) }, tensors: [x] },
    /"general.alignment" is 0, expected a power of two/,
  ],
  [
    'an alignment of 48',
    { keys: { 'general.alignment': stored.uint32(48) }, tensors: [x] },
    /"general.alignment" is 48, expected a power of two/,
  ],
  ['a tensor twice', { tensors: [x, x] }, /tensor "x" is there twice/],
  [
    'a long name of a tensor',
    { tensors: [{ ...x, name: 'x'.repeat(200) }] },
    /the length of a tensor's name is 200, expected at most 127/,
  ],
  ['a tensor without axes', { tensors: [{ ...x, shape: [] }] }, /tensor "x" has 0 axes, expected 1 to 4/],
  ['a tensor of five axes', { tensors: [{ ...x, shape: [1, 1, 1, 1, 2] }] }, /tensor "x" has 5 axes, expected 1 to 4/],
  ['a dimension of 0', { tensors: [{ ...x, shape: [0, 2] }] }, /tensor "x" has the shape \[0, 2\], expected no 0/],
  [
    'dimensions whose product is too large',
    { tensors: [{ ...x, shape: [2 ** 40, 2 ** 40, 2 ** 40, 2 ** 40] }] },
    /tensor "x", F32 \[.*\], takes more bytes than the file has/,
  ],
  [
    'a dimension of 64 bits',
    { tensors: [{ ...x, shape: [2n ** 63n] }] },
    /a dimension of tensor "x" is 9223372036854775808/,
  ],
  [
    'rows that are not whole blocks',
    { tensors: [{ ...x, type: 8, shape: [2, 33] }] },
    /the rows of tensor "x" have 33 values, expected whole blocks of 32/,
  ],
  [
    'a type that is known by name only',
    { tensors: [{ ...x, type: 23 }] },
    /tensor "x" has the type IQ4_XS; Graft reads F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, BF16\./,
  ],
  ['a type that nobody knows', { tensors: [{ ...x, type: 999 }] }, /tensor "x" has the type number 999; Graft reads/],
  [
    'overlapping tensors',
    { tensors: [x, { ...x, name: 'y', offset: 0 }] },
    /tensor "y" overlaps another: expected to start at byte \d+, got \d+/,
  ],
  ['a hole', { tensors: [{ ...x, offset: 64 }] }, /tensor "x" does not follow the one before it/],
  ['a position off the alignment', { tensors: [{ ...x, offset: 4 }] }, /tensor "x" does not follow the one before it/],
  [
    'a position behind the file',
    { tensors: [{ ...x, offset: 2n ** 62n }] },
    /the position of tensor "x" is 4611686018427387904/,
  ],
  [
    'a tensor that is cut off',
    { tensors: [{ ...x, shape: [16] }] },
    /tensor "x" would end at byte \d+, but the file has \d+/,
  ],
  [
    'something behind the tensors',
    { tensors: [x], rest: Buffer.alloc(40) },
    /expected \d+ bytes, as its header says, got \d+/,
  ],
])('the error for %s names the problem and the file', async (_, crafted, message) => {
  const file = craftGguf(crafted);
  await expect(GgufReader.open(file)).rejects.toMatchObject({
    name: 'CheckpointError',
    message: expect.stringMatching(message) as string,
  });
  await expect(GgufReader.open(file)).rejects.toThrow(file);
});

it('a header longer than the first read is read whole', async () => {
  const words = Array.from({ length: 70_000 }, (_, i) => `piece ${i} of a vocabulary`);
  const reader = await GgufReader.open(craftGguf({ keys: { words: stored.texts(words) }, tensors: [x] }));
  expect(reader.metadata.texts('words')).toEqual(words);
  expect(await valuesOf(reader, 'x')).toEqual([1, 2]);
  await reader.close();
});

it('a file that was cut off or changed anywhere is read or refused with a sentence', async () => {
  const file = join(temporaryFolder(), 'mutated.gguf');
  const whole = ggufBytes({
    keys: { 'general.architecture': stored.text('llama'), words: stored.texts(['a', 'b']), n: stored.uint32(3) },
    tensors: [x, { name: 'q', type: 8, shape: [2, 32], data: Buffer.alloc(68, 1) }],
  });
  const place = fc.nat(whole.length - 1);
  const change = fc.tuple(place, fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.option(place), async (changes, end) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      writeFileSync(file, bytes.subarray(0, end ?? bytes.length));
      try {
        const reader = await GgufReader.open(file);
        for (const name of reader.tensors.keys()) await valuesOf(reader, name);
        await reader.close();
      } catch (error) {
        expect(error).toMatchObject({ name: 'CheckpointError', message: expect.stringContaining(file) as string });
      }
    }),
    { numRuns: 500 },
  );
  expect(readFileSync(file).length).toBeLessThanOrEqual(whole.length);
});
