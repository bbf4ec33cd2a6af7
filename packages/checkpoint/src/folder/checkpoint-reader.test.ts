import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeIf, SHARED, temporaryFolder } from '@graft/test-support';
import { CheckpointReader } from './checkpoint-reader';
import { readJsonObject } from '../json/json';
import { writeCheckpoint } from './write-folder';
import { listSnapshots } from '../snapshot/list-snapshots';
import { loadSnapshotState, openSnapshotOptimizer, pruneSnapshots, saveSnapshot } from '../snapshot/snapshot';
import type { TensorSource } from '../safetensors/writer';

const source = (name: string, values: number[]): TensorSource => ({
  name,
  dtype: 'F32',
  shape: [values.length],
  data: () => Float32Array.from(values),
});
const TENSORS = [source('a', [1, 2, 3]), source('b', [4, 5]), source('c', [6])];

describe('checkpoint folders', () => {
  test('a checkpoint reads the same from one file and from shards', async () => {
    const folder = temporaryFolder();
    await writeCheckpoint(join(folder, 'one'), { config: { model_type: 'x' }, tensors: TENSORS });
    await writeCheckpoint(join(folder, 'many'), { config: { model_type: 'x' }, tensors: TENSORS, maxShardBytes: 13 });
    expect(readdirSync(join(folder, 'many')).sort()).toEqual([
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ]);
    for (const name of ['one', 'many']) {
      const reader = await CheckpointReader.open(join(folder, name));
      expect([...reader.tensors.keys()].sort()).toEqual(['a', 'b', 'c']);
      expect(await reader.readFloat32('b')).toEqual(Float32Array.of(4, 5));
      expect(await reader.config()).toEqual({ model_type: 'x' });
      expect(await reader.generationConfig()).toBeUndefined();
      await reader.close();
    }
    expect(readdirSync(folder).sort()).toEqual(['many', 'one']);
  });

  test('an existing folder is not overwritten unless requested', async () => {
    const folder = join(temporaryFolder(), 'model');
    await writeCheckpoint(folder, { config: { n: 1 }, tensors: TENSORS });
    await expect(writeCheckpoint(folder, { config: { n: 2 }, tensors: TENSORS })).rejects.toThrow(
      `${folder} exists already.`,
    );
    await writeCheckpoint(folder, { config: { n: 3 }, tensors: TENSORS }, { overwrite: true });
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toEqual({ n: 3 });
  });

  test('config.json writes whole floats with a decimal point, which other readers require', async () => {
    const folder = join(temporaryFolder(), 'model');
    const side = {
      attn_logit_softcapping: 50,
      rope_parameters: { rope_theta: 10000 },
      attention_dropout: 0,
      hidden_size: 16,
    };
    await writeCheckpoint(folder, { config: { decoder: side, final_logit_softcapping: null }, tensors: TENSORS });
    const text = readFileSync(join(folder, 'config.json'), 'utf8');
    expect(text).toMatch(/"attn_logit_softcapping": 50\.0,$/m);
    expect(text).toMatch(/"rope_theta": 10000\.0$/m);
    expect(text).toMatch(/"attention_dropout": 0\.0,$/m);
    expect(text).toMatch(/"hidden_size": 16$/m);
    expect(JSON.parse(text)).toEqual({ decoder: side, final_logit_softcapping: null });
  });

  test('a write that fails halfway leaves only the old folder', async () => {
    const parent = temporaryFolder();
    const folder = join(parent, 'model');
    await writeCheckpoint(folder, { config: { n: 1 }, tensors: TENSORS });
    const broken: TensorSource = { ...TENSORS[1], data: () => Promise.reject(new Error('lost')) };
    await expect(
      writeCheckpoint(folder, { config: { n: 2 }, tensors: [TENSORS[0], broken] }, { overwrite: true }),
    ).rejects.toThrow(/lost/);
    expect(readdirSync(parent)).toEqual(['model']);
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toEqual({ n: 1 });
  });

  test('a write that exceeds the limit on file size is one sentence and leaves nothing', async () => {
    const parent = temporaryFolder();
    const script = `
      const { writeCheckpoint } = require(${JSON.stringify(require.resolve('../../dist/index.js'))});
      process.on('SIGXFSZ', () => undefined);
      const tensor = { name: 'a', dtype: 'F32', shape: [1 << 20], data: () => new Float32Array(1 << 20) };
      writeCheckpoint(${JSON.stringify(join(parent, 'model'))}, { config: {}, tensors: [tensor] }).catch((error) => console.log(error.message));`;
    const { stdout } = spawnSync(
      'bash',
      ['-c', 'trap "" XFSZ; ulimit -f 1024; exec "$0" -e "$1"', process.execPath, script],
      { encoding: 'utf8' },
    );
    expect(stdout).toMatch(
      /model\.safetensors could not be written: files may not become that large here; it takes 4\.0 MiB\./,
    );
    expect(readdirSync(parent)).toEqual([]);
  });

  describe('an inconsistent checkpoint folder', () => {
    let folder: string;
    const edit = (change: (index: { weight_map: Record<string, string> }) => void): void => {
      const file = join(folder, 'model.safetensors.index.json');
      const index = JSON.parse(readFileSync(file, 'utf8')) as { weight_map: Record<string, string> };
      change(index);
      writeFileSync(file, JSON.stringify(index));
    };
    beforeEach(async () => {
      folder = join(temporaryFolder(), 'model');
      await writeCheckpoint(folder, { config: {}, tensors: TENSORS, maxShardBytes: 13 });
    });

    test('a missing shard is rejected with its name', async () => {
      rmSync(join(folder, 'model-00002-of-00002.safetensors'));
      await expect(CheckpointReader.open(folder)).rejects.toThrow(
        `${folder} lacks the shard model-00002-of-00002.safetensors, in which model.safetensors.index.json places 2 tensors.`,
      );
    });
    test('an index that names a tensor which its shard lacks is rejected', async () => {
      edit(({ weight_map }) => (weight_map.d = 'model-00001-of-00002.safetensors'));
      await expect(CheckpointReader.open(folder)).rejects.toThrow(
        /places "d" in model-00001-of-00002\.safetensors, which does not hold it/,
      );
    });
    test('a tensor that the index does not name is rejected', async () => {
      edit(({ weight_map }) => delete weight_map.c);
      await expect(CheckpointReader.open(folder)).rejects.toThrow(
        /holds "c", which model\.safetensors\.index\.json does not name/,
      );
    });
    test("a run's folder is rejected with a hint that names its newest checkpoint", async () => {
      const runs = temporaryFolder();
      const newest = join(runs, 'latest', 'checkpoints', 'step-10');
      for (const step of [2, 10]) mkdirSync(join(runs, 'latest', 'checkpoints', `step-${step}`), { recursive: true });
      for (const named of [runs, join(runs, 'latest'), join(runs, 'latest', 'checkpoints')])
        await expect(CheckpointReader.open(named)).rejects.toMatchObject({
          exitCode: 2,
          hint: `The newest checkpoint in it is ${newest}.`,
        });
    });
    test('a folder without a checkpoint or without config.json is rejected', async () => {
      await expect(CheckpointReader.open(temporaryFolder())).rejects.toMatchObject({
        message: expect.stringMatching(/holds no checkpoint: neither model\.safetensors nor/) as string,
        exitCode: 2,
        hint: undefined,
      });
      await expect(CheckpointReader.open(join(folder, 'nowhere'))).rejects.toMatchObject({ exitCode: 2 });
      rmSync(join(folder, 'config.json'));
      const reader = await CheckpointReader.open(folder);
      await expect(reader.config()).rejects.toThrow(/config\.json cannot be read: there is no such file\./);
      await reader.close();
    });
  });
});

describe('snapshots', () => {
  const snapshot = {
    model: { config: { n: 1 }, tensors: TENSORS },
    optimizer: [source('m/a', [0, 0, 0])],
    state: { step: 5, data: { at: 3 } },
  };

  test('snapshots are restored unchanged, listed by step, and pruned from the oldest', async () => {
    const checkpoints = join(temporaryFolder(), 'checkpoints');
    for (const step of [5, 100, 20]) await saveSnapshot(join(checkpoints, `step-${step}`), snapshot);
    mkdirSync(join(checkpoints, '.graft-tmp-step-300-x'));
    expect((await listSnapshots(checkpoints)).map(({ step }) => step)).toEqual([5, 20, 100]);
    const folder = join(checkpoints, 'step-20');
    expect(await loadSnapshotState(folder)).toEqual(snapshot.state);
    const optimizer = await openSnapshotOptimizer(folder);
    expect(await optimizer.readFloat32('m/a')).toEqual(Float32Array.of(0, 0, 0));
    await optimizer.close();
    const model = await CheckpointReader.open(folder);
    expect(await model.readFloat32('a')).toEqual(Float32Array.of(1, 2, 3));
    await model.close();
    await pruneSnapshots(checkpoints, 2);
    expect((await listSnapshots(checkpoints)).map(({ step }) => step)).toEqual([20, 100]);
  });

  test("a snapshot with a damaged or missing file is rejected with the file's name", async () => {
    const folder = join(temporaryFolder(), 'step-5');
    await saveSnapshot(folder, snapshot);
    const cut = `${folder}-cut`;
    cpSync(folder, cut, { recursive: true });
    writeFileSync(join(cut, 'model.safetensors'), 'x');
    await expect(loadSnapshotState(cut)).rejects.toThrow(
      /is damaged: model\.safetensors should have \d+ bytes, but has 1/,
    );
    rmSync(join(folder, 'optimizer.safetensors'));
    await expect(loadSnapshotState(folder)).rejects.toThrow(
      /optimizer\.safetensors should have \d+ bytes, but is missing/,
    );
  });
});

describeIf(
  SHARED !== undefined,
  'the reference checkpoints are not beside the repository',
  'the published checkpoints',
  () => {
    const fixtures = join(SHARED ?? '', 'fixtures');
    const folders = SHARED
      ? readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, 'config.json')))
      : [];
    test.each(folders)("rewriting %s in shards keeps each tensor's name, dtype, shape and bytes", async (name) => {
      const original = await CheckpointReader.open(join(fixtures, name));
      const copy = join(temporaryFolder(), name);
      const tensors = [...original.tensors.values()].map((info): TensorSource => ({
        ...info,
        data: () => original.chunks(info.name, 1000),
      }));
      await writeCheckpoint(copy, { config: await original.config(), tensors, maxShardBytes: 100_000 });
      const rewritten = await CheckpointReader.open(copy);
      expect(rewritten.tensors.size).toBe(original.tensors.size);
      for (const { name: tensor, dtype, shape } of original.tensors.values()) {
        expect(rewritten.info(tensor)).toMatchObject({ dtype, shape });
        expect(Buffer.compare(await rewritten.readBytes(tensor), await original.readBytes(tensor))).toBe(0);
      }
      expect(await rewritten.config()).toEqual(await original.config());
      await original.close();
      await rewritten.close();
    });
  },
);

describe('unusual files in a checkpoint folder', () => {
  /** A FIFO where no content is given. */
  const withFile = (name: string, content?: string | Buffer): string => {
    const file = join(temporaryFolder(), name);
    if (content === undefined) execFileSync('mkfifo', [file]);
    else writeFileSync(file, content);
    return file;
  };

  it.each([
    ['a FIFO', undefined, 'cannot be read: it is a FIFO, not a regular file'],
    ['17 MiB', `{"a": "${'x'.repeat(17 << 20)}"}`, 'cannot be read: it has 17.0 MiB, expected at most 16.0 MiB'],
    [
      '20,000 lists deep',
      `{"a": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
      'does not hold a JSON object: it has more than 500 objects and lists within each other (1:506)',
    ],
    ['a key twice', '{"a": 1,\n"a": 2}', 'does not hold a JSON object: the key "a" is there twice (2:1)'],
    ['no UTF-8', Buffer.from('{"a": "\xe9"}', 'latin1'), 'cannot be read: it is not UTF-8 (byte 0xe9 at offset 7)'],
  ])('%s as config.json is rejected in one sentence', async (_, content, problem) => {
    const file = withFile('config.json', content);
    await expect(readJsonObject(file)).rejects.toMatchObject({
      name: 'CheckpointError',
      message: `${file} ${problem}.`,
    });
  });

  it('a FIFO or a device is rejected as a checkpoint or as weights', async () => {
    for (const [path, kind] of [
      [withFile('fifo'), 'FIFO'],
      ['/dev/zero', 'device'],
    ])
      await expect(CheckpointReader.open(path)).rejects.toMatchObject({
        name: 'CheckpointError',
        message: `${path} cannot be read: it is a ${kind}, not a regular file.`,
      });
    const weights = withFile('model.safetensors');
    await expect(CheckpointReader.open(dirname(weights))).rejects.toThrow(
      `${weights} cannot be read: it is a FIFO, not a regular file.`,
    );
  });
});

describe('an index that is too large or contradicts its shards', () => {
  async function indexed(
    change: (index: { metadata: object; weight_map: Record<string, unknown> }) => void,
  ): Promise<string> {
    const folder = join(temporaryFolder(), 'many');
    await writeCheckpoint(folder, { config: {}, tensors: TENSORS, maxShardBytes: 13 });
    const file = join(folder, 'model.safetensors.index.json');
    const index = JSON.parse(readFileSync(file, 'utf8')) as Parameters<typeof change>[0];
    change(index);
    writeFileSync(file, JSON.stringify(index));
    return folder;
  }
  const entries = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, `s${i}`]));

  it.each<[string, Parameters<typeof indexed>[0], RegExp]>([
    [
      'thousands of shards',
      (index) => Object.assign(index.weight_map, entries(5000)),
      /it names 5002 shards; Graft takes at most 4096/,
    ],
    [
      'a million tensors',
      (index) => Object.assign(index.weight_map, entries(1_000_000)),
      /it has more than 524,288 objects, lists and keys/,
    ],
    ['a name of megabytes', (index) => Object.assign(index.weight_map, { ['x'.repeat(2e6)]: 'a/b' }), /^.{0,400}…/],
    [
      'a shard of megabytes',
      (index) => Object.assign(index.weight_map, { a: 'x'.repeat(2e6) }),
      /lacks the shard x{119}…/,
    ],
  ])('an index with %s is rejected', async (_, change, message) => {
    const opening = CheckpointReader.open(await indexed(change));
    await expect(opening).rejects.toMatchObject({ code: expect.stringMatching(/^checkpoint\./) as string });
    await expect(opening).rejects.toThrow(message);
    expect(((await opening.catch((error: Error) => error.message)) as string).length).toBeLessThan(600);
  });

  it.each<[unknown, string[]]>([
    [undefined, []],
    [{}, []],
    [{ total_size: null }, []],
    [{ total_size: 24 }, []],
    [
      { total_size: 7 },
      ['model.safetensors.index.json says that the tensors take 7 bytes ("total_size"); they take 24'],
    ],
    [
      { total_size: 'all' },
      ['model.safetensors.index.json says that the tensors take "all" bytes ("total_size"); they take 24'],
    ],
  ])('an index with the metadata %j is read, and a wrong total is noted', async (metadata, notes) => {
    const reader = await CheckpointReader.open(await indexed((index) => Object.assign(index, { metadata })));
    expect(reader.notes).toEqual(notes);
    await reader.close();
  });
});
