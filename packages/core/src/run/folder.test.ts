import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunFolder } from './folder';
import { isAlive, ownIdentity, runId } from './identity';
import { makeFolders } from './make-folders';

let runs: string;
beforeEach(async () => void (runs = await mkdtemp(join(tmpdir(), 'graft-folder-'))));
afterEach(() => rm(runs, { recursive: true, force: true }));

async function made(status: 'finished' | 'interrupted' | 'failed', steps: number): Promise<RunFolder> {
  const folder = await RunFolder.create(runs, 'a', { steps });
  await folder.update({ status, steps });
  folder.release();
  return folder;
}

it('ids sort by time and tell configs apart', () => {
  const id = runId({ a: 1 }, new Date('2026-11-23T14:05:01.042Z'));
  expect(id).toMatch(/^20261123-140501-042-[0-9a-f]{6}$/);
  expect(runId({ a: 2 }, new Date('2026-11-23T14:05:01.042Z'))).not.toBe(id);
  expect(runId({ a: 1 }, new Date('2026-11-23T14:05:01.043Z')) > id).toBe(true);
});

it('folders made at once are different', async () => {
  const folders = await Promise.all(Array.from({ length: 20 }, () => RunFolder.create(runs, 'a', {})));
  expect(new Set(folders.map(({ path }) => path)).size).toBe(20);
});

it('latest leads to one run at a time, and spares what is not a link', async () => {
  const [first, second] = [await made('finished', 1), await made('finished', 2)];
  await first.becomeLatest();
  await second.becomeLatest();
  expect(await readlink(join(runs, 'a', 'latest'))).toBe(second.record.id);
  await rm(join(runs, 'a', 'latest'));
  await mkdir(join(runs, 'a', 'latest'));
  await writeFile(join(runs, 'a', 'latest', 'mine'), '');
  await first.becomeLatest();
  expect(existsSync(join(runs, 'a', 'latest', 'mine'))).toBe(true);
  expect((await readdir(join(runs, 'a'))).filter((name) => name.startsWith('.'))).toEqual([]);
});

const keepCheckpoint = (folder: RunFolder): Promise<unknown> =>
  mkdir(join(folder.checkpoints, 'step-1'), { recursive: true });

it('a run that begins leaves latest to one with a checkpoint', async () => {
  const latest = (): Promise<string> => readlink(join(runs, 'a', 'latest'));
  const [first, second, third] = [await made('failed', 0), await made('failed', 5), await made('failed', 0)];
  for (const folder of [first, second]) {
    await folder.beginAsLatest();
    expect(await latest()).toBe(folder.record.id);
  }
  await keepCheckpoint(second);
  await third.beginAsLatest();
  expect(await latest()).toBe(second.record.id);
  await keepCheckpoint(first);
  await first.beginAsLatest();
  expect(await latest()).toBe(first.record.id);
});

it('finds an unfinished run with a checkpoint before newer ones without', async () => {
  const [saved, empty] = [await made('interrupted', 5), await made('failed', 0)];
  expect((await RunFolder.find(runs, 'a')).path).toBe(empty.path);
  await keepCheckpoint(saved);
  expect((await RunFolder.find(runs, 'a')).path).toBe(saved.path);
  await keepCheckpoint(await made('finished', 9));
  expect((await RunFolder.find(runs, 'a')).path).toBe(saved.path);
});

it('finds the newest unfinished run, else the newest with too few steps', async () => {
  const old = await made('interrupted', 5);
  const short = await made('finished', 10);
  const long = await made('finished', 30);
  expect((await RunFolder.find(runs, 'a', undefined, { steps: 20 })).path).toBe(old.path);
  const failed = await made('failed', 7);
  expect((await RunFolder.find(runs, 'a', undefined, { steps: 20 })).path).toBe(failed.path);
  expect((await RunFolder.find(runs, 'a', old.record.id, { steps: 20 })).path).toBe(old.path);
  await old.update({ status: 'finished' });
  await failed.remove();
  expect((await RunFolder.find(runs, 'a', undefined, { steps: 20 })).path).toBe(short.path);
  expect((await RunFolder.find(runs, 'a', undefined, { steps: 40 })).path).toBe(long.path);
  await expect(RunFolder.find(runs, 'a', undefined, { steps: 5 })).rejects.toThrow(
    /^Nothing to resume: every run in .* is finished; there are /,
  );
});

it('names the nearest run when one is mistyped', async () => {
  const { record } = await made('finished', 1);
  const mistyped = `${record.id.slice(0, -1)}x`;
  await expect(RunFolder.find(runs, 'a', mistyped)).rejects.toThrow(`did you mean "${record.id}"?`);
});

it('a run is claimed by one process at a time', async () => {
  const folder = await RunFolder.create(runs, 'a', {});
  const again = await RunFolder.open(folder.path);
  await expect(again.claim()).rejects.toThrow(`is still going on, in process ${process.pid}`);
  folder.release();
  await again.claim();
  again.release();
  // The parent of this test is alive, and so would be a run of its; a process of another machine or time is not.
  await again.update({ process: { ...ownIdentity(), pid: process.ppid, started: undefined } });
  await expect((await RunFolder.open(folder.path)).claim()).rejects.toThrow(`process ${process.ppid}`);
  await again.update({ process: { ...ownIdentity(), pid: process.ppid, started: 'before the last boot' } });
  await (await RunFolder.open(folder.path)).claim();
});

it('knows the living from the dead', () => {
  expect(isAlive(ownIdentity())).toBe(true);
  expect(isAlive({ ...ownIdentity(), host: 'elsewhere' })).toBe(false);
  expect(isAlive({ ...ownIdentity(), pid: 2 ** 22 + 1 })).toBe(false);
});

describe('a place that cannot be written', () => {
  const complaint = (place: string, reason: string): object => ({
    code: 'run.folder',
    exitCode: 2,
    message: `runs: no run folder can be made in ${place}: ${reason}.`,
    hint: 'Set `runs:` to a folder that can be written.',
  });

  it('is told where it is a file, or lies in one', async () => {
    const file = join(runs, 'file');
    await writeFile(file, '');
    const inFile = complaint(join(file, 'a'), `${file} is not a folder`);
    await expect(RunFolder.create(file, 'a', {})).rejects.toMatchObject(inFile);
    const deep = complaint(join(file, 'deep', 'er', 'a'), `${file} is not a folder`);
    await expect(RunFolder.create(join(file, 'deep', 'er'), 'a', {})).rejects.toMatchObject(deep);
    await expect(RunFolder.create(runs, 'file', {})).rejects.toMatchObject(complaint(file, `${file} is not a folder`));
  });

  // Node's recursive mkdir never ends there: it must not be tried, not even in a test.
  (existsSync('/proc/self') ? it : it.skip)('is told where the system makes none', async () => {
    const refused = complaint('/proc/graft/a', 'the system lets nobody make folders there');
    await expect(RunFolder.create('/proc/graft', 'a', {})).rejects.toMatchObject(refused);
  });
});

it('folders that are there, or come meanwhile, are no hindrance', async () => {
  const deep = join(runs, 'x', 'y', 'z');
  await Promise.all(Array.from({ length: 8 }, () => makeFolders(deep)));
  await makeFolders(deep);
  expect(existsSync(deep)).toBe(true);
});

it('reads evaluations, and says when they are something else', async () => {
  const folder = await made('finished', 1);
  expect(await folder.evaluations()).toEqual([]);
  await folder.writeEvaluations([{ step: 1, evaluator: 'loss', metrics: { loss: 1 }, seconds: 2 }]);
  expect(JSON.parse(await readFile(folder.evaluationsFile, 'utf8'))).toEqual(await folder.evaluations());
  await writeFile(folder.evaluationsFile, '{"a": 1');
  await expect(folder.evaluations()).rejects.toThrow('does not hold a JSON list');
});
