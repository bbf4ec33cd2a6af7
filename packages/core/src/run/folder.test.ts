import { failureOf } from '@graft/test-support';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunFolder } from './folder';
import { findResumableRun } from './reader';
import { ownIdentity, type ProcessIdentity, makeFolder } from '@graft/checkpoint/internal';
import { runId } from './identity';

let runs: string;
beforeEach(async () => void (runs = await mkdtemp(join(tmpdir(), 'graft-folder-'))));
afterEach(() => rm(runs, { recursive: true, force: true }));

async function made(status: 'finished' | 'interrupted' | 'failed', steps: number): Promise<RunFolder> {
  const folder = await RunFolder.create(runs, 'a', { steps });
  await folder.update({ status, steps });
  await folder.release();
  return folder;
}

it('run ids sort by time and differ between configs', () => {
  const id = runId({ a: 1 }, new Date('2026-11-23T14:05:01.042Z'));
  expect(id).toMatch(/^20261123-140501-042-[0-9a-f]{6}$/);
  expect(runId({ a: 2 }, new Date('2026-11-23T14:05:01.042Z'))).not.toBe(id);
  expect(runId({ a: 1 }, new Date('2026-11-23T14:05:01.043Z')) > id).toBe(true);
});

it('folders created at the same time differ', async () => {
  const folders = await Promise.all(Array.from({ length: 20 }, () => RunFolder.create(runs, 'a', {})));
  expect(new Set(folders.map(({ path }) => path)).size).toBe(20);
});

it('latest points to the newest run and never replaces something that is not a link', async () => {
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

it('a new run does not take latest from a run with a checkpoint', async () => {
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

it('latest stays with a run that has results when another fails or only evaluates', async () => {
  const latest = (): Promise<string> => readlink(join(runs, 'a', 'latest'));
  const evaluation = (): Promise<RunFolder> => RunFolder.create(runs, 'a', {}, 'evaluation');
  const evaluated = await evaluation();
  await evaluated.beginAsLatest();
  await evaluated.writeEvaluations([{ step: 0, evaluator: 'loss', metrics: { loss: 1 }, seconds: 2 }]);
  const [trained, failed] = [await made('finished', 5), await made('failed', 0)];
  for (const folder of [trained, failed, await evaluation()]) await folder.beginAsLatest();
  expect(await latest()).toBe(evaluated.record.id);
  await keepCheckpoint(trained);
  await trained.becomeLatest();
  expect(await latest()).toBe(trained.record.id);
  const second = await evaluation();
  await second.writeEvaluations([{ step: 0, evaluator: 'loss', metrics: { loss: 1 }, seconds: 2 }]);
  await second.beginAsLatest();
  await second.becomeLatest();
  expect(await latest()).toBe(trained.record.id);
  // A training that began before an evaluation takes it from that at its first checkpoint.
  await rm(join(runs, 'a', 'latest'));
  const training = await RunFolder.create(runs, 'a', {});
  const third = await evaluation();
  await third.becomeLatest();
  await keepCheckpoint(training);
  await training.becomeLatest();
  expect(await latest()).toBe(training.record.id);
});

it('an unfinished run with a checkpoint is found before newer runs without one', async () => {
  const [saved, empty] = [await made('interrupted', 5), await made('failed', 0)];
  expect((await findResumableRun({ runs, name: 'a' })).path).toBe(empty.path);
  await keepCheckpoint(saved);
  expect((await findResumableRun({ runs, name: 'a' })).path).toBe(saved.path);
  await keepCheckpoint(await made('finished', 9));
  expect((await findResumableRun({ runs, name: 'a' })).path).toBe(saved.path);
});

it('the newest unfinished run is found, otherwise the newest with too few steps', async () => {
  const old = await made('interrupted', 5);
  const short = await made('finished', 10);
  const long = await made('finished', 30);
  expect((await findResumableRun({ runs, name: 'a', steps: 20 })).path).toBe(old.path);
  const failed = await made('failed', 7);
  expect((await findResumableRun({ runs, name: 'a', steps: 20 })).path).toBe(failed.path);
  expect((await findResumableRun({ runs, name: 'a', id: old.record.id, steps: 20 })).path).toBe(old.path);
  await old.update({ status: 'finished' });
  await failed.remove();
  expect((await findResumableRun({ runs, name: 'a', steps: 20 })).path).toBe(short.path);
  expect((await findResumableRun({ runs, name: 'a', steps: 40 })).path).toBe(long.path);
  await expect(findResumableRun({ runs, name: 'a', steps: 5 })).rejects.toThrow(
    /^Nothing to resume: every run in .* is finished; there are /,
  );
  await long.update({ stopped: 'train.stopWhen: x is 1' });
  expect(await failureOf(findResumableRun({ runs, name: 'a', steps: 5 }))).toMatchObject({
    hint: expect.stringContaining(`stopped before its last step continues by its id, --resume ${long.record.id}.`),
  });
  expect(await failureOf(findResumableRun({ runs, name: 'a', kind: 'evaluation' }))).toMatchObject({
    hint: 'Start a new evaluation without --resume.',
  });
});

it('the nearest run id is suggested for a mistyped one', async () => {
  const { record } = await made('finished', 1);
  const mistyped = `${record.id.slice(0, -1)}x`;
  await expect(findResumableRun({ runs, name: 'a', id: mistyped })).rejects.toThrow(`did you mean "${record.id}"?`);
});

it('only one process at a time can claim a run', async () => {
  const folder = await RunFolder.create(runs, 'a', {});
  const again = await RunFolder.open(folder.path);
  await expect(again.claim()).rejects.toThrow(`is still running, in process ${process.pid}`);
  await folder.update({ steps: 7 });
  await folder.release();
  await again.claim();
  expect(again.record.steps).toBe(7);
  await again.release();
});

it('a failed claim changes nothing', async () => {
  const folder = await RunFolder.create(runs, 'a', {});
  const state = async (): Promise<unknown> =>
    Promise.all((await readdir(folder.path)).map((name) => readFile(join(folder.path, name), 'utf8')));
  const before = await state();
  const other = await RunFolder.open(folder.path);
  await expect(other.claim()).rejects.toMatchObject({ code: 'run.busy', exitCode: 2 });
  expect(await state()).toEqual(before);
  await folder.update({ status: 'finished' });
  await folder.release();
  const check = (): Promise<void> =>
    other.record.status === 'finished' ? Promise.reject(new Error('finished meanwhile')) : Promise.resolve();
  const record = await readFile(join(folder.path, 'run.json'), 'utf8');
  await expect(other.claim({ check })).rejects.toThrow('finished meanwhile');
  expect(await readFile(join(folder.path, 'run.json'), 'utf8')).toBe(record);
  await other.claim();
  await other.release();
});

it('a run without a lock file is claimed unless the process in its record is alive', async () => {
  const folder = await RunFolder.create(runs, 'a', {});
  const asBefore = async (process: ProcessIdentity): Promise<RunFolder> => {
    for (const name of await readdir(folder.path)) if (name.startsWith('.')) await rm(join(folder.path, name));
    const { namespace: _, ...identity } = process;
    await writeFile(join(folder.path, 'run.json'), JSON.stringify({ ...folder.record, process: identity }));
    return RunFolder.open(folder.path);
  };
  // The parent of this test is alive, and so would be a run of its; a process of another machine or time is not.
  const parent = { ...ownIdentity(), pid: process.ppid, started: undefined };
  await expect((await asBefore(parent)).claim()).rejects.toThrow(`process ${process.ppid}`);
  for (const gone of [
    { ...parent, started: 'before the last boot/1' },
    { ...parent, host: 'elsewhere' },
  ]) {
    const again = await asBefore(gone);
    await again.claim();
    await again.release();
  }
});

it('the newest run is the last one created, whatever the clock showed', async () => {
  const clock = jest.useFakeTimers({ doNotFake: ['setTimeout', 'setImmediate', 'performance', 'nextTick'] });
  try {
    clock.setSystemTime(new Date('2026-03-01T00:00:00Z'));
    const first = await made('interrupted', 1);
    clock.setSystemTime(new Date('2026-01-01T00:00:00Z'));
    const second = await made('interrupted', 2);
    clock.setSystemTime(new Date('2025-01-01T00:00:00Z'));
    const third = await made('failed', 0);
    expect([third.record.id < second.record.id, second.record.id < first.record.id]).toEqual([true, true]);
    expect([first, second, third].map(({ record }) => record.sequence)).toEqual([1, 2, 3]);
    expect((await findResumableRun({ runs, name: 'a' })).path).toBe(third.path);
    await keepCheckpoint(first);
    await keepCheckpoint(second);
    expect((await findResumableRun({ runs, name: 'a' })).path).toBe(second.path);
    await expect(findResumableRun({ runs, name: 'a', id: 'x' })).rejects.toThrow(
      `there are ${third.record.id}, ${second.record.id}, ${first.record.id}`,
    );
    // A run from before there were sequences is older than all of them.
    const { sequence: _, ...old } = { ...first.record, id: '29990101-000000-000-000000' };
    await mkdir(join(runs, 'a', old.id, 'checkpoints', 'step-1'), { recursive: true });
    await writeFile(join(runs, 'a', old.id, 'run.json'), JSON.stringify(old));
    expect((await findResumableRun({ runs, name: 'a' })).path).toBe(second.path);
  } finally {
    clock.useRealTimers();
  }
});

it('latest stays with a newer run, and resuming an older run makes that one the latest', async () => {
  const [first, second] = [await RunFolder.create(runs, 'a', {}), await RunFolder.create(runs, 'a', {})];
  await second.becomeLatest();
  await first.becomeLatest();
  expect(await readlink(join(runs, 'a', 'latest'))).toBe(second.record.id);
  await first.release();
  const again = await RunFolder.open(first.path);
  await again.claim();
  await again.becomeLatest();
  expect(await readlink(join(runs, 'a', 'latest'))).toBe(first.record.id);
  await again.release();
  await second.release();
});

it('an unreadable record is left out with a warning and does not hide other runs', async () => {
  const good = await made('interrupted', 1);
  const bad = await made('interrupted', 2);
  const file = join(bad.path, 'run.json');
  const find = async (): Promise<{ path: string; warnings: string[] }> => {
    const warnings: string[] = [];
    const { path } = await findResumableRun({ runs, name: 'a', warn: (sentence) => warnings.push(sentence) });
    return { path, warnings };
  };
  for (const [text, problem] of [
    ['{"name": "a"', `${file} does not hold a JSON object: `],
    ['[]', `${file} does not hold a JSON object.`],
    [JSON.stringify({ ...bad.record, steps: -1 }), `${file} is not the record of a run: "steps": `],
    [JSON.stringify({ ...bad.record, status: 'gone' }), `${file} is not the record of a run: "status": `],
    [JSON.stringify({ ...bad.record, process: { pid: 'x', host: 1 } }), `"process.pid": `],
    [' '.repeat(2 ** 20 + 1), `${file} cannot be read: it has`],
  ]) {
    await writeFile(file, text);
    const { path, warnings } = await find();
    expect(path).toBe(good.path);
    expect(warnings).toEqual([expect.stringContaining(problem)]);
    expect(warnings[0]).toMatch(/ It is left out\.$/);
    await expect(findResumableRun({ runs, name: 'a', id: bad.record.id })).rejects.toThrow(problem);
  }
  await good.remove();
  await rm(good.path, { recursive: true, force: true });
  await expect(find()).rejects.toThrow(/^Nothing to resume: the record of no run in .* can be read; there is /);
  // A new one is made all the same.
  expect((await made('failed', 0)).record.sequence).toBe(1);
});

it('an empty id is rejected', async () => {
  await made('interrupted', 1);
  await expect(findResumableRun({ runs, name: 'a', id: '' })).rejects.toMatchObject({
    code: 'run.empty-id',
    exitCode: 2,
  });
});

it('a deleted run folder is not recreated by the next write', async () => {
  const folder = await RunFolder.create(runs, 'a', {});
  await rm(folder.path, { recursive: true });
  const lost = { code: 'checkpoint.lost', exitCode: 1 };
  await expect(folder.check()).rejects.toMatchObject(lost);
  await expect(folder.update({ steps: 3 })).rejects.toMatchObject(lost);
  await expect(folder.writeEvaluations([])).rejects.toMatchObject(lost);
  await folder.release();
  expect(await readdir(join(runs, 'a'))).toEqual([]);
});

describe('a runs folder that cannot be written', () => {
  const complaint = (place: string, reason: string): object => ({
    code: 'run.folder',
    exitCode: 2,
    message: `runs: no run folder can be made in ${place}: ${reason}.`,
    hint: 'Set `runs:` to a folder that can be written.',
  });

  it('a runs folder that is a file or inside a file is rejected', async () => {
    const file = join(runs, 'file');
    await writeFile(file, '');
    const inFile = complaint(join(file, 'a'), `${file} is not a folder`);
    await expect(RunFolder.create(file, 'a', {})).rejects.toMatchObject(inFile);
    const deep = complaint(join(file, 'deep', 'er', 'a'), `${file} is not a folder`);
    await expect(RunFolder.create(join(file, 'deep', 'er'), 'a', {})).rejects.toMatchObject(deep);
    await expect(RunFolder.create(runs, 'file', {})).rejects.toMatchObject(complaint(file, `${file} is not a folder`));
  });

  // Node's recursive mkdir never ends there: it must not be tried, not even in a test.
  (existsSync('/proc/self') ? it : it.skip)(
    'a runs folder in which the system creates no folders is rejected',
    async () => {
      const refused = complaint('/proc/graft/a', 'the system lets nobody make folders there');
      await expect(RunFolder.create('/proc/graft', 'a', {})).rejects.toMatchObject(refused);
    },
  );
});

it('creating a folder accepts one that exists or appears meanwhile', async () => {
  const deep = join(runs, 'x', 'y', 'z');
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(deep)));
  await makeFolder(deep);
  expect(existsSync(deep)).toBe(true);
});

it('evaluations are read back, and a file of another shape is rejected', async () => {
  const folder = await made('finished', 1);
  expect(await folder.evaluations()).toEqual([]);
  await folder.writeEvaluations([{ step: 1, evaluator: 'loss', metrics: { loss: 1 }, seconds: 2 }]);
  expect(JSON.parse(await readFile(folder.evaluationsFile, 'utf8'))).toEqual(await folder.evaluations());
  await writeFile(folder.evaluationsFile, '{"a": 1');
  await expect(folder.evaluations()).rejects.toThrow('does not hold a JSON list');
});
