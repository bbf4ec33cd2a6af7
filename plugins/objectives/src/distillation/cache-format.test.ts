import { SafetensorsReader } from '@graft/checkpoint';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { TeacherCacheWriter } from './cache-writer';
import { Mixture } from '../objectives/mixture';
import { PrefixLm } from '../objectives/prefix-lm';
import { KEY_BYTES } from '../batch/sequences';
import { cacheFingerprint, TeacherCache } from './cache-format';

const SHARD = 'shard-00000.safetensors';

const LIKELY = [0.5, 0.25, 0.125].map(Math.log);

/** A cache of two sequences of three and two positions, with three tokens each of a vocabulary of 20. */
async function makeCache(): Promise<string> {
  const folder = temporaryFolder();
  const identity = { teacher: { fingerprint: 'f', path: 't' }, vocabulary: 20, topK: 3, temperature: 1, bos: false };
  const writer = await TeacherCacheWriter.open(folder, { ...identity, selection: 'top', dtype: 'F32' }, 1);
  for (const [i, positions] of [3, 2].entries()) {
    const tokens = Int32Array.from({ length: 3 * positions }, (_, at) => (7 * at + i) % 20);
    writer.add(String(i).repeat(KEY_BYTES), {
      positions,
      tokens,
      logProbabilities: Float32Array.from(tokens, (_, at) => LIKELY[at % 3]),
      logRest: new Float32Array(positions).fill(Math.log(0.125)),
    });
  }
  await writer.stepDone('c', 1, null);
  await writer.close();
  return folder;
}

/** Writes other numbers over a tensor's, in the shard. */
async function change(folder: string, tensor: string, numbers: Readonly<Record<number, number>>): Promise<string> {
  const file = join(folder, SHARD);
  const reader = await SafetensorsReader.open(file);
  const { offset } = reader.info(tensor);
  await reader.close();
  const bytes = readFileSync(file);
  for (const [at, number] of Object.entries(numbers)) bytes.writeInt32LE(number, offset + 4 * Number(at));
  writeFileSync(file, bytes);
  return file;
}

it('a cache returns what was stored', async () => {
  const cache = await TeacherCache.open(await makeCache());
  expect(cache.read('1'.repeat(KEY_BYTES))).toEqual({
    positions: 2,
    tokens: Int32Array.of(1, 8, 15, 2, 9, 16),
    logProbabilities: Float32Array.from([...LIKELY, ...LIKELY]),
    logRest: Float32Array.of(Math.log(0.125), Math.log(0.125)),
  });
  cache.dispose();
});

it.each([20, -1, 100_204])('the token %d, outside the vocabulary of 20, is refused on opening', async (id) => {
  const folder = await makeCache();
  const file = await change(folder, 'tokens', { 14: id });
  await expect(TeacherCache.open(folder)).rejects.toMatchObject({
    code: 'distillation.cache-tokens',
    message: `${file} has the token ${id} at position 4, but the vocabulary has 20 tokens.`,
  });
});

it.each<[string, Record<number, number>]>([
  ['decrease', { 1: 6 }],
  ['begin late', { 0: 1 }],
  ['end late', { 2: 6 }],
])('sequences whose offsets %s are refused', async (_, offsets) => {
  const folder = await makeCache();
  await change(folder, 'offsets', offsets);
  await expect(TeacherCache.open(folder)).rejects.toMatchObject({ code: 'distillation.cache-shard' });
});

/** The bits of a float32, as `change` writes them. */
const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0];

it.each<[string, Record<number, number>]>([
  ['log_probabilities', { 4: bitsOf(NaN) }],
  ['log_probabilities', { 4: bitsOf(Infinity) }],
  ['log_probabilities', { 4: bitsOf(0.5) }],
  ['log_rest', { 1: bitsOf(3) }],
])('%s that are not logarithms of probabilities are refused on opening: %p', async (tensor, numbers) => {
  const folder = await makeCache();
  const file = await change(folder, tensor, numbers);
  await expect(TeacherCache.open(folder)).rejects.toMatchObject({
    code: 'distillation.cache-probabilities',
    message: expect.stringMatching(`^${file} has at position 1 (NaN|Infinity|0.5|3), expected`) as string,
  });
});

it.each<[string, string, Record<number, number>]>([
  ['probabilities that do not add up to 1', 'log_probabilities', { 3: bitsOf(-0.1) }],
  ['no probability at all', 'log_probabilities', { 3: bitsOf(-Infinity), 4: bitsOf(-Infinity), 5: bitsOf(-Infinity) }],
  ['a duplicate token', 'tokens', { 3: 5, 4: 5 }],
])('a row with %s is refused when it is read', async (_, tensor, numbers) => {
  const folder = await makeCache();
  await change(folder, tensor, numbers);
  const cache = await TeacherCache.open(folder);
  expect(() => cache.read('0'.repeat(KEY_BYTES))).toThrow(/at position 1/);
  expect(cache.read('1'.repeat(KEY_BYTES))).toBeDefined();
  cache.dispose();
});

/** The index with other words in it. */
function changeIndex(folder: string, change_: (index: Record<string, unknown> & { shards: object[] }) => void): void {
  const file = join(folder, 'index.json');
  const index = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown> & { shards: object[] };
  change_(index);
  writeFileSync(file, JSON.stringify(index));
}

it.each<[string, Parameters<typeof changeIndex>[1], RegExp]>([
  [
    'a shard outside the folder',
    ({ shards }) => Object.assign(shards[0], { file: '../a.safetensors' }),
    /"\.\.\/a.safetensors"/,
  ],
  ['a duplicate shard', ({ shards }) => shards.push(shards[0]), /"shard-00000.safetensors" twice/],
  ['too many sequences', ({ shards }) => Object.assign(shards[0], { sequences: 1e15 }), /at most 16777215/],
  ['more positions than int32', ({ shards }) => Object.assign(shards[0], { positions: 1e12 }), /positions/],
  ['a vocabulary beyond int32', (index) => Object.assign(index, { vocabulary: 1e12 }), /vocabulary/],
  ['more tokens than the vocabulary', (index) => Object.assign(index, { topK: 21 }), /topK is 21/],
])('an index with %s is refused', async (_, change_, message) => {
  const folder = await makeCache();
  changeIndex(folder, change_);
  await expect(TeacherCache.open(folder)).rejects.toMatchObject({
    code: 'distillation.cache-index',
    message: expect.stringMatching(message) as string,
  });
});

it.each<[string, Parameters<typeof changeIndex>[1], RegExp]>([
  [
    'sequences',
    ({ shards }) => Object.assign(shards[0], { sequences: 16_777_215 }),
    /"keys" is U8 \[2, 16\], expected/,
  ],
  ['positions', ({ shards }) => Object.assign(shards[0], { positions: 6 }), /"tokens" is I32 \[5, 3\], expected/],
  ['top-k sizes', (index) => Object.assign(index, { topK: 4 }), /"tokens" is I32 \[5, 3\], expected I32 \[5, 4\]/],
  ['dtypes', (index) => Object.assign(index, { dtype: 'F16' }), /"log_probabilities" is F32/],
])('a shard whose %s differ from the index is refused', async (_, change_, message) => {
  const folder = await makeCache();
  changeIndex(folder, change_);
  await expect(TeacherCache.open(folder)).rejects.toMatchObject({
    code: 'distillation.cache-shard',
    message: expect.stringMatching(message) as string,
  });
});

it('the fingerprint depends on the contents of a cache, not on its paths', async () => {
  const [one, same, other] = [await makeCache(), await makeCache(), await makeCache()];
  const index = join(same, 'index.json');
  writeFileSync(index, readFileSync(index, 'utf8').replace('"path": "t"', '"path": "elsewhere"'));
  await change(other, 'tokens', { 14: 19 });
  const [first, second, third] = await Promise.all([one, same, other].map(cacheFingerprint));
  expect(second).toBe(first);
  expect(third).not.toBe(first);
  const targets = { distillation: { cache: one } } as never;
  expect(await new PrefixLm(targets).fileDigests()).toEqual({ [`the teacher's cache ${one}`]: first });
  const mixture = new Mixture([{ name: 'lm', objective: new PrefixLm(targets), rate: 1, fromStep: 0 } as never]);
  expect(await mixture.fileDigests()).toEqual({ [`the teacher's cache ${one} (lm)`]: first });
});

test('only one process at a time fills a cache, and none fills a folder with other files', async () => {
  const identity = { teacher: { fingerprint: 'f', path: 't' }, vocabulary: 20, topK: 3, temperature: 1, bos: false };
  const open = (folder: string): Promise<TeacherCacheWriter> =>
    TeacherCacheWriter.open(folder, { ...identity, selection: 'top', dtype: 'F32' }, 1);
  const folder = temporaryFolder();
  const writer = await open(folder);
  await expect(open(folder)).rejects.toMatchObject({
    message: `The filling of the teacher's cache ${folder} is still running, in process ${process.pid}.`,
    code: 'distillation.cache-shared',
    exitCode: 2,
  });
  await writer.close();
  await (await open(folder)).close();
  const mine = temporaryFolder();
  writeFileSync(join(mine, 'shard-00000.safetensors'), 'mine');
  await expect(open(mine)).rejects.toThrow(
    `${mine} is not a teacher's cache: it holds shard-00000.safetensors, but no index.json.`,
  );
  expect(readdirSync(mine)).toEqual(['shard-00000.safetensors']);
});
