import { SafetensorsReader } from '@graft/checkpoint';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../../test/support';
import { TeacherCacheWriter } from './cache-writer';
import { KEY_BYTES } from './sequences';
import { TeacherCache } from './teacher-cache';

const SHARD = 'shard-00000.safetensors';

/** A cache of two sequences of three and two positions, with three tokens each of a vocabulary of 20. */
async function makeCache(): Promise<string> {
  const folder = temporaryFolder();
  const identity = { teacher: { fingerprint: 'f', path: 't' }, vocabulary: 20, topK: 3, temperature: 1, bos: false };
  const writer = await TeacherCacheWriter.open(folder, { ...identity, selection: 'top', dtype: 'F32' }, 1);
  for (const [i, positions] of [3, 2].entries()) {
    const values = Float32Array.from({ length: 3 * positions }, (_, at) => -1 - at);
    const tokens = Int32Array.from(values.keys(), (at) => (7 * at + i) % 20);
    writer.add(String(i).repeat(KEY_BYTES), {
      positions,
      tokens,
      logProbabilities: values,
      logRest: values.slice(0, positions),
    });
  }
  await writer.stepDone('c', 1, null);
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

it('gives back what was stored', async () => {
  const cache = await TeacherCache.open(await makeCache());
  expect(cache.read('1'.repeat(KEY_BYTES))).toEqual({
    positions: 2,
    tokens: Int32Array.of(1, 8, 15, 2, 9, 16),
    logProbabilities: Float32Array.of(-1, -2, -3, -4, -5, -6),
    logRest: Float32Array.of(-1, -2),
  });
  cache.dispose();
});

it.each([20, -1, 100_204])('refuses the token %d, which no vocabulary of 20 has, when it is opened', async (id) => {
  const folder = await makeCache();
  const file = await change(folder, 'tokens', { 14: id });
  await expect(TeacherCache.open(folder)).rejects.toMatchObject({
    code: 'distillation.cache-tokens',
    message: `${file} has the token ${id}, but the vocabulary has 20 tokens.`,
  });
});

it.each<[string, Record<number, number>]>([
  ['fall', { 1: 6 }],
  ['begin late', { 0: 1 }],
  ['end late', { 2: 6 }],
])('refuses sequences whose places %s', async (_, offsets) => {
  const folder = await makeCache();
  await change(folder, 'offsets', offsets);
  await expect(TeacherCache.open(folder)).rejects.toMatchObject({ code: 'distillation.cache-shard' });
});
