import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { temporaryFolder, worstDifference } from '@graft/test-support';
import { crc32, digestOf, portableCrc32 } from '../safetensors/digest';
import { CheckpointReader } from '../folder/checkpoint-reader';
import { averageFolder, loadSnapshotState, openSnapshotOptimizer, saveSnapshot, verifySnapshot } from './snapshot';
import { verifyCheckpoint } from '../folder/verify';
import type { TensorSource } from '../safetensors/writer';

const source = (name: string, values: number[]): TensorSource => ({
  name,
  dtype: 'F32',
  shape: [values.length],
  data: () => Float32Array.from(values),
});

const contents = (first: number) => ({
  config: { n: 1 },
  tensors: [source('a', [first, 2, 3]), source('b', [4, 5, 6]), source('empty', [])],
  extraFiles: { 'tokenizer.json': '{}', 'graft.json': '{"made": {}}' },
});
const snapshot = (step: number) => ({
  model: contents(step),
  average: contents(step + 0.5),
  optimizer: [source('m/a', [0, step, 0])],
  state: { step },
});

/** A snapshot of some step, in a folder of its own. */
async function saved(step: number, options?: { digests: boolean }): Promise<string> {
  const folder = join(temporaryFolder(), `step-${step}`);
  await saveSnapshot(folder, snapshot(step), options);
  return folder;
}

describe('CRC-32', () => {
  test('the CRC-32 of 123456789 is the published one', () => {
    expect(digestOf('123456789')).toBe('cbf43926');
    expect(portableCrc32(Buffer.from('123456789'))).toBe(0xcbf43926);
  });

  test('the portable CRC-32 agrees with zlib, also in pieces', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * i + (i >> 3)) & 0xff);
    for (const length of [0, 1, 7, 8, 9, 15, 16, 17, 1000]) {
      const part = bytes.subarray(0, length);
      expect(portableCrc32(part)).toBe(crc32(part));
      expect(portableCrc32(bytes.subarray(length), portableCrc32(part))).toBe(crc32(bytes));
    }
    const own = (zlib as { crc32?: (data: Uint8Array) => number }).crc32;
    if (own) expect(crc32(bytes)).toBe(own(bytes));
  });
});

describe('a manifest', () => {
  test('the manifest has a digest of every file, of every tensor, and of itself', async () => {
    const folder = await saved(5);
    const { files, ...rest } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      files: Record<string, { bytes: number; tensors?: Record<string, string> }>;
    };
    expect(rest).toEqual({
      version: 2,
      step: 5,
      algorithm: 'crc32',
      digest: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
    });
    const names = readdirSync(folder, { recursive: true }).map(String);
    const listed = names.filter((name) => name !== 'manifest.json' && statSync(join(folder, name)).isFile());
    expect(Object.keys(files).sort()).toEqual(listed.sort());
    for (const [name, { bytes }] of Object.entries(files)) expect(bytes).toBe(statSync(join(folder, name)).size);
    const a = Buffer.from(Float32Array.of(5, 2, 3).buffer);
    expect(files['model.safetensors'].tensors).toEqual({
      a: digestOf(a),
      b: digestOf(Buffer.from(Float32Array.of(4, 5, 6).buffer)),
      empty: '00000000',
    });
    expect(await loadSnapshotState(folder)).toEqual({ step: 5 });
    expect(await verifyCheckpoint(folder)).toMatchObject({ tensors: 3, digests: true });
  });

  test('every way of reading a snapshot or its average checks the digests', async () => {
    const folder = await saved(5);
    for (const at of ['.', 'average']) {
      const file = join(folder, at, 'model.safetensors');
      const whole = readFileSync(file);
      const broken = Buffer.from(whole);
      // A bit of "b", whose neighbours are whole.
      broken[broken.length - 1] ^= 1;
      writeFileSync(file, broken);
      for (const path of [join(folder, at), file]) {
        const reader = await CheckpointReader.open(path);
        expect(reader.hasDigests).toBe(true);
        expect(await reader.readFloat32('a')).toHaveLength(3);
        const message = new RegExp(`model\\.safetensors is damaged: tensor "b" does not hold what was written\\.$`);
        const all = async (pieces: AsyncIterable<unknown>): Promise<void> => {
          for await (const _ of pieces) continue;
        };
        const reads = [
          () => reader.readFloat32('b'),
          () => reader.readBytes('b'),
          () => reader.readBytes('b', { start: 0, end: 4 }),
          () => reader.readInto('b', new Uint8Array(4), 0),
          () => all(reader.chunks('b', 4)),
          () => all(reader.ranges('b')),
          () => all(reader.source('b').data() as AsyncIterable<unknown>),
        ];
        for (const read of reads) await expect(read()).rejects.toThrow(message);
        await reader.close();
      }
      await expect(verifySnapshot(folder)).rejects.toMatchObject({ code: 'checkpoint.digest' });
      writeFileSync(file, whole);
    }
    await verifySnapshot(folder);
  });

  test('digests detect swapped tensors, swapped pages, and flipped bits anywhere in a large tensor', async () => {
    const folder = join(temporaryFolder(), 'step-5');
    // Read in pieces of 4 MiB where it is digested.
    const large = Float32Array.from({ length: (9 << 20) / 4 }, (_, i) => i);
    const tensors: TensorSource[] = [
      { name: 'large', dtype: 'F32', shape: [large.length], data: () => large },
      source('a', [1, 2, 3]),
      source('b', [4, 5, 6]),
    ];
    await saveSnapshot(folder, { ...snapshot(5), model: { ...contents(5), tensors } });
    const file = join(folder, 'model.safetensors');
    const whole = readFileSync(file);
    const end = whole.length;
    const changed = async (change: (bytes: Buffer) => void): Promise<CheckpointReader> => {
      const bytes = Buffer.from(whole);
      change(bytes);
      writeFileSync(file, bytes);
      return CheckpointReader.open(folder);
    };
    const swapped = await changed((bytes) => {
      bytes.copyWithin(end - 24, end - 12);
      whole.copy(bytes, end - 12, end - 24, end - 12);
    });
    for (const name of ['a', 'b']) await expect(swapped.readFloat32(name)).rejects.toThrow(`tensor "${name}"`);
    expect(worstDifference(await swapped.readFloat32('large'), large)).toBe(0);
    await swapped.close();
    const start = end - 24 - (9 << 20);
    const damages: ((bytes: Buffer) => void)[] = [
      (bytes) => (bytes[start + (4 << 20)] ^= 1),
      (bytes) => (bytes[start + (9 << 20) - 1] ^= 128),
      (bytes) => bytes.fill(0, start + (5 << 20), start + (5 << 20) + 4096),
      (bytes) => bytes.copyWithin(start, start + 4096, start + 8192),
      (bytes) => {
        bytes.copyWithin(start + (6 << 20), start + (2 << 20), start + (2 << 20) + 4096);
        whole.copy(bytes, start + (2 << 20), start + (6 << 20), start + (6 << 20) + 4096);
      },
    ];
    for (const damage of damages) {
      const reader = await changed(damage);
      await expect(reader.readFloat32('large')).rejects.toThrow('tensor "large" does not hold what was written');
      await reader.close();
    }
  });

  test('opening a snapshot detects changes in its small files', async () => {
    for (const name of ['config.json', 'tokenizer.json', 'graft.json', 'average/config.json']) {
      const folder = await saved(5);
      const file = join(folder, name);
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, text.replace('{', '{ '));
      await expect(loadSnapshotState(folder)).rejects.toThrow(/should have \d+ bytes, but has \d+/);
      writeFileSync(file, text.replace('}', ']'));
      const message = `The checkpoint ${folder} is damaged: ${name} does not hold what was written.`;
      await expect(loadSnapshotState(folder)).rejects.toThrow(message);
      const opened = name.startsWith('average') ? averageFolder(folder) : folder;
      await expect(CheckpointReader.open(opened)).rejects.toThrow(/is damaged/);
    }
  });

  test('opening a snapshot detects unlisted files, files of another step, and missing files', async () => {
    const folder = await saved(5);
    const other = await saved(6);
    writeFileSync(join(folder, 'generation_config.json'), '{}');
    await expect(CheckpointReader.open(folder)).rejects.toThrow(
      'it has the file generation_config.json, which manifest.json does not list.',
    );
    rmSync(join(folder, 'generation_config.json'));
    for (const name of ['trainer.json', 'manifest.json', 'optimizer.safetensors']) {
      const copy = join(temporaryFolder(), 'step-5');
      cpSync(folder, copy, { recursive: true });
      cpSync(join(other, name), join(copy, name));
      await expect(verifySnapshot(copy)).rejects.toThrow(/is damaged: /);
    }
    const renamed = join(temporaryFolder(), 'step-7');
    cpSync(folder, renamed, { recursive: true });
    await expect(loadSnapshotState(renamed)).rejects.toThrow('manifest.json is that of step 5');
    rmSync(join(folder, 'tokenizer.json'));
    await expect(CheckpointReader.open(folder)).rejects.toThrow(/tokenizer\.json should have 2 bytes, but is missing/);
    rmSync(join(folder, 'manifest.json'));
    await expect(CheckpointReader.open(folder)).rejects.toThrow('manifest.json is missing');
  });

  test('a damaged manifest is not mistaken for one of an older version', async () => {
    const folder = await saved(5);
    const file = join(folder, 'manifest.json');
    const text = readFileSync(file, 'utf8');
    for (const changed of [
      text.replace('"version": 2', '"version": 1'),
      `${text} `,
      text.replace('"files"', '"filfs"'),
    ]) {
      writeFileSync(file, changed);
      await expect(CheckpointReader.open(folder)).rejects.toThrow(/is damaged: manifest\.json/);
    }
  });

  test('a version 1 manifest without digests is still read', async () => {
    const folder = await saved(5, { digests: false });
    expect(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))).toMatchObject({
      version: 1,
      files: { 'config.json': 13 },
    });
    expect(await loadSnapshotState(folder)).toEqual({ step: 5 });
    const reader = await CheckpointReader.open(folder);
    expect(reader.hasDigests).toBe(false);
    expect(await reader.readFloat32('a')).toEqual(Float32Array.of(5, 2, 3));
    await reader.close();
    const optimizer = await openSnapshotOptimizer(folder);
    expect(await optimizer.readFloat32('m/a')).toEqual(Float32Array.of(0, 5, 0));
    await optimizer.close();
    expect(await verifyCheckpoint(folder)).toMatchObject({ digests: false });
  });

  test('an unrelated manifest.json in a checkpoint folder is ignored', async () => {
    const folder = await saved(5);
    const plain = join(temporaryFolder(), 'model');
    mkdirSync(plain);
    for (const name of ['model.safetensors', 'config.json']) renameSync(join(folder, name), join(plain, name));
    writeFileSync(join(plain, 'manifest.json'), '{"name": "an app", "icons": []}');
    const reader = await CheckpointReader.open(plain);
    expect(reader.hasDigests).toBeUndefined();
    expect(await reader.readFloat32('a')).toHaveLength(3);
    await reader.close();
  });
});
