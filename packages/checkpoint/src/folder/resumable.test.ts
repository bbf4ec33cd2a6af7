import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { CheckpointReader } from './checkpoint-reader';
import { unfinishedFolder, writeCheckpointResumably } from './resumable';
import type { TensorSource } from '../safetensors/writer';

const PLAN = { seed: 1, sources: ['a, 12 bytes'] };

/** Six tensors of 100 bytes, two to a file; the one called `fails` cannot be made. */
function contents(fails?: string, made: string[] = []) {
  const tensors = Array.from({ length: 6 }, (_, i): TensorSource => {
    const name = `t${i}`;
    return {
      name,
      dtype: 'U8',
      shape: [100],
      async *data() {
        await Promise.resolve();
        if (name === fails) throw new Error('the source is gone');
        made.push(name);
        yield new Uint8Array(100).fill(i);
      },
    };
  });
  return { config: { a: 1 }, tensors, maxShardBytes: 200, extraFiles: { 'note.txt': 'x' } };
}

async function interrupt(out: string, at = 't4'): Promise<void> {
  await expect(writeCheckpointResumably(out, contents(at), { plan: PLAN })).rejects.toThrow(
    /the source is gone[^]*unfinished keeps|the source is gone/,
  );
}

test('an interrupted write keeps its finished files, is not a checkpoint, and can be resumed', async () => {
  const out = join(temporaryFolder(), 'out');
  await interrupt(out);
  expect(existsSync(out)).toBe(false);
  const partial = unfinishedFolder(out);
  expect(readdirSync(partial).filter((name) => name.endsWith('.safetensors'))).toHaveLength(2);
  await expect(CheckpointReader.open(partial)).rejects.toThrow(/holds no checkpoint/);

  const made: string[] = [];
  const kept: string[] = [];
  await writeCheckpointResumably(out, contents(undefined, made), {
    plan: PLAN,
    resume: true,
    onKept: (tensors) => kept.push(...tensors.map(({ name }) => name)),
  });
  expect([kept, made]).toEqual([
    ['t0', 't1', 't2', 't3'],
    ['t4', 't5'],
  ]);
  expect(existsSync(partial)).toBe(false);
  const straight = join(temporaryFolder(), 'straight');
  await writeCheckpointResumably(straight, contents(), { plan: PLAN });
  expect(readdirSync(out).sort()).toEqual(readdirSync(straight).sort());
  for (const name of readdirSync(out))
    expect(readFileSync(join(out, name)).equals(readFileSync(join(straight, name)))).toBe(true);
});

test('a write without finished files leaves nothing, and resuming nothing starts from scratch', async () => {
  const folder = temporaryFolder();
  await interrupt(join(folder, 'out'), 't0');
  expect(readdirSync(folder)).toEqual([]);
  await writeCheckpointResumably(join(folder, 'out'), contents(), { plan: PLAN, resume: true });
  expect(readdirSync(folder)).toEqual(['out']);
});

test('unfinished work is neither overwritten nor mixed with other work', async () => {
  const out = join(temporaryFolder(), 'out');
  await interrupt(out);
  await expect(writeCheckpointResumably(out, contents(), { plan: PLAN })).rejects.toMatchObject({
    message: expect.stringMatching(/out\.unfinished holds the unfinished work of an earlier call/) as string,
    hint: expect.stringMatching(/--resume/) as string,
    exitCode: 2,
  });
  const other = { ...PLAN, seed: 2 };
  await expect(writeCheckpointResumably(out, contents(), { plan: other, resume: true })).rejects.toThrow(
    /begun with other settings or sources: seed changed \(seed was 1, is 2\)/,
  );
  // A finished folder is never gone on with.
  mkdirSync(join(out, '..', 'done'));
  await expect(
    writeCheckpointResumably(join(out, '..', 'done'), contents(), { plan: PLAN, resume: true }),
  ).rejects.toThrow(/exists already/);
});

test('resuming rewrites finished files with the wrong tensors and removes partial ones', async () => {
  const out = join(temporaryFolder(), 'out');
  await interrupt(out);
  const partial = unfinishedFolder(out);
  const [first, second] = readdirSync(partial).filter((name) => name.endsWith('.safetensors'));
  writeFileSync(join(partial, first), readFileSync(join(partial, second)));
  writeFileSync(join(partial, '.graft-tmp-rest'), 'x');
  const made: string[] = [];
  await writeCheckpointResumably(out, contents(undefined, made), { plan: PLAN, resume: true });
  expect(made).toEqual(['t0', 't1', 't4', 't5']);
  expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
});

/** Everything below a folder, with what the files hold. */
const everything = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => (statSync(path).isFile() ? `${path}: ${readFileSync(path, 'latin1')}` : path))
    .sort();

test('a folder or file with the name of unfinished work that Graft did not create is left unchanged', async () => {
  const folder = temporaryFolder();
  const out = join(folder, 'out');
  mkdirSync(unfinishedFolder(out));
  writeFileSync(join(unfinishedFolder(out), 'thesis.tex'), 'mine');
  const before = everything(folder);
  for (const resume of [false, true]) {
    await expect(writeCheckpointResumably(out, contents(), { plan: PLAN, resume })).rejects.toMatchObject({
      message: `${unfinishedFolder(out)} was not left by an interrupted call of Graft.`,
      code: 'checkpoint.unfinished',
      exitCode: 2,
    });
    expect(everything(folder)).toEqual(before);
  }
  const file = join(folder, 'file');
  writeFileSync(unfinishedFolder(file), 'mine');
  await expect(writeCheckpointResumably(file, contents(), { plan: PLAN, resume: true })).rejects.toThrow(
    'was not left',
  );
  expect(readFileSync(unfinishedFolder(file), 'utf8')).toBe('mine');
});

test('unfinished work without finished files is left unchanged unless the same plan resumes it', async () => {
  const folder = temporaryFolder();
  const out = join(folder, 'out');
  mkdirSync(unfinishedFolder(out));
  writeFileSync(join(unfinishedFolder(out), 'graft-unfinished.json'), JSON.stringify(PLAN));
  writeFileSync(join(unfinishedFolder(out), '.graft-tmp-model'), 'half');
  const kept = (): string[] => everything(folder).filter((entry) => !entry.includes('.graft-lock-'));
  const before = kept();
  await expect(writeCheckpointResumably(out, contents(), { plan: PLAN })).rejects.toThrow(/unfinished work/);
  expect(kept()).toEqual(before);
  const other = writeCheckpointResumably(out, contents(), { plan: { ...PLAN, seed: 2 }, resume: true });
  await expect(other).rejects.toThrow(/seed changed/);
  expect(kept()).toEqual(before);
  await writeCheckpointResumably(out, contents(), { plan: PLAN, resume: true });
  expect(readdirSync(folder)).toEqual(['out']);
});

test('unfinished work that another call is writing is neither removed nor resumed', async () => {
  const folder = temporaryFolder();
  const out = join(folder, 'out');
  let [writing, goOn] = [(): void => undefined, (): void => undefined];
  const isWriting = new Promise<void>((resolve) => (writing = resolve));
  const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
  const slow = contents();
  slow.tensors[0] = {
    ...slow.tensors[0],
    async *data() {
      writing();
      await mayGoOn;
      yield new Uint8Array(100);
    },
  };
  const first = writeCheckpointResumably(out, slow, { plan: PLAN });
  await isWriting;
  const before = everything(folder);
  for (const [plan, resume] of [
    [PLAN, true],
    [PLAN, false],
    [{ ...PLAN, seed: 2 }, true],
  ] as const) {
    await expect(writeCheckpointResumably(out, contents(), { plan, resume })).rejects.toMatchObject({
      message: `The writing of ${unfinishedFolder(out)} is still running, in process ${process.pid}.`,
      code: 'checkpoint.busy',
      exitCode: 2,
    });
    expect(everything(folder)).toEqual(before);
  }
  goOn();
  await first;
  expect(readdirSync(folder)).toEqual(['out']);
  expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
});

test('of concurrent calls exactly one writes the folder', async () => {
  const folder = temporaryFolder();
  const out = join(folder, 'out');
  const settled = await Promise.allSettled(
    Array.from({ length: 8 }, () => writeCheckpointResumably(out, contents(), { plan: PLAN, resume: true })),
  );
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(readdirSync(folder)).toEqual(['out']);
  expect(readFileSync(join(out, 'config.json'), 'utf8')).toContain('"a"');
});

test('an unfinished folder that is moved during the write is neither recreated nor removed', async () => {
  const folder = temporaryFolder();
  const out = join(folder, 'out');
  const moving = contents();
  moving.tensors[3] = {
    ...moving.tensors[3],
    async *data() {
      renameSync(unfinishedFolder(out), join(folder, 'moved'));
      yield* (contents().tensors[3].data as () => AsyncGenerator<Uint8Array>)();
    },
  };
  await expect(writeCheckpointResumably(out, moving, { plan: PLAN })).rejects.toMatchObject({ exitCode: 1 });
  expect(readdirSync(folder)).toEqual(['moved']);
  expect(readdirSync(join(folder, 'moved')).filter((name) => name.endsWith('.safetensors'))).toHaveLength(1);
});

test("a trailing slash in the folder's name changes nothing", async () => {
  const folder = temporaryFolder();
  await writeCheckpointResumably(join(folder, 'out') + sep, contents(), { plan: PLAN });
  expect(readdirSync(folder)).toEqual(['out']);
});
