import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '@graft/test-support';
import { HEARTBEAT_SECONDS } from './heartbeat';
import { livenessOf, ownIdentity } from './identity';
import { FolderLock, hasLock } from './lock';

let folder: string;
let watched: string[];
beforeEach(() => {
  folder = join(temporaryFolder(), 'run');
  mkdirSync(folder);
  watched = [];
});

const acquire = (deadAfterSeconds?: number): Promise<FolderLock> =>
  FolderLock.acquire(folder, {
    what: 'The run r',
    code: 'run.busy',
    hint: 'Stop it.',
    onWatch: (sentence) => watched.push(sentence),
    deadAfterSeconds,
  });

const locks = (): string[] => readdirSync(folder).sort();

function leave(number: number, record: object | string): string {
  const file = join(folder, `.graft-lock-${number}`);
  writeFileSync(file, typeof record === 'string' ? record : JSON.stringify(record));
  return file;
}

const elsewhere = { pid: 7, host: 'elsewhere', started: 'boot/1', namespace: 'pid:[1]', token: 'theirs' };

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid!;
}

it('only one caller has the lock until it is released, lock numbers increase, and one lock file remains', async () => {
  expect(await hasLock(folder)).toBe(false);
  const first = await acquire();
  expect(await hasLock(folder)).toBe(true);
  await expect(acquire()).rejects.toMatchObject({
    message: `The run r is still running, in process ${process.pid}.`,
    code: 'run.busy',
    exitCode: 2,
  });
  expect(locks()).toEqual(['.graft-lock-1']);
  await first.release();
  const second = await acquire();
  expect(locks()).toEqual(['.graft-lock-2']);
  await second.release();
  await second.release();
  expect(watched).toEqual([]);
});

it('of concurrent claims in one process exactly one succeeds', async () => {
  const settled = await Promise.allSettled(Array.from({ length: 20 }, () => acquire()));
  const won = settled.filter((one) => one.status === 'fulfilled');
  expect(won).toHaveLength(1);
  await won[0].value.release();
});

it('a dead process of this machine loses its lock at once, even if another process now has its id', async () => {
  leave(3, { ...ownIdentity(), pid: await deadPid(), token: 'theirs' });
  await (await acquire()).release();
  leave(9, {
    ...ownIdentity(),
    pid: process.ppid,
    started: `${ownIdentity().started!.split('/')[0]}/1`,
    token: 'theirs',
  });
  await (await acquire()).release();
  expect(watched).toEqual([]);
  expect(locks()).toEqual(['.graft-lock-10']);
});

it('a lock file that is a FIFO does not block the caller', async () => {
  execFileSync('mkfifo', [join(folder, '.graft-lock-1')]);
  const lock = await acquire(0.3);
  expect(locks()).toEqual(['.graft-lock-2']);
  await lock.release();
});

it('a zombie process counts as dead', async () => {
  // The shell becomes a program that never waits for its children; its child ends once that has happened.
  const child = 'while [ "$(cat /proc/$PPID/comm)" != sleep ]; do sleep 0.02; done';
  const parent = spawn('sh', ['-c', `sh -c '${child}' & echo $!; exec sleep 20`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  const fields = (): string[] => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()!.split(' ');
  while (fields()[0] !== 'Z') await sleep(5);
  const started = `${ownIdentity().started!.split('/')[0]}/${fields()[19]}`;
  expect(() => process.kill(pid, 0)).not.toThrow();
  expect(livenessOf({ ...ownIdentity(), pid, started })).toBe('dead');
  parent.kill('SIGKILL');
});

it.each([
  ['another machine', elsewhere],
  ['another boot of a machine of this name', { ...ownIdentity(), started: 'boot/1', token: 'theirs' }],
  ['another container of this name', { ...ownIdentity(), namespace: 'pid:[1]', token: 'theirs' }],
])('a process of %s keeps its lock as long as its heartbeat changes', async (_, record) => {
  const file = leave(1, record);
  let beats = 0;
  // Its clock may be anywhere: only that the time changes counts.
  const timer = setInterval(() => utimesSync(file, 1000 + beats, 1000 - beats++), 50);
  await expect(acquire(5)).rejects.toMatchObject({
    code: 'run.busy',
    message: `The run r is still running, in process ${record.pid}${record.host === 'elsewhere' ? ' on elsewhere' : ''}.`,
  });
  clearInterval(timer);
  expect(locks()).toEqual(['.graft-lock-1']);
  expect(watched).toEqual([
    `The run r was claimed by process ${record.pid} on ${record.host}, which cannot be seen from here. Watching up to 5 s whether it is alive.`,
  ]);
  const lock = await acquire(0.3);
  expect(locks()).toEqual(['.graft-lock-2']);
  await lock.release();
});

it('a lock that a remote process releases while it is watched becomes free', async () => {
  const file = leave(1, elsewhere);
  const claimed = acquire(60);
  await sleep(100);
  writeFileSync(`${file}.new`, JSON.stringify({ ...elsewhere, released: true }));
  renameSync(`${file}.new`, file);
  await (await claimed).release();
});

it.each(['', '{', 'null', '{"pid": -1, "host": "a", "token": "b"}', '{"pid": "1", "host": 1}', 'x'.repeat(100_000)])(
  'a lock with unreadable content becomes free after the timeout (case %#)',
  async (text) => {
    leave(1, text);
    const lock = await acquire(0.3);
    expect(watched[0]).toContain('a process that did not leave its name');
    await lock.release();
  },
);

it('a process that claims late sees the higher lock number and loses', async () => {
  leave(4, { ...ownIdentity(), pid: await deadPid(), token: 'theirs' });
  const lock = await acquire();
  // As if it had made its number only now, long after it looked.
  leave(2, elsewhere);
  await expect(acquire()).rejects.toMatchObject({ code: 'run.busy' });
  await lock.check();
  await lock.release();
});

describe('a locked folder that changes', () => {
  const lost = (how: string): object => ({
    message: `The run r cannot continue: ${how} while this process was writing to it.`,
    code: 'checkpoint.lost',
    exitCode: 1,
  });

  it.each([
    ['deleted', () => rmSync(folder, { recursive: true }), 'its folder was deleted or moved'],
    ['moved', () => renameSync(folder, `${folder}-2`), 'its folder was deleted or moved'],
    [
      'replaced',
      () => {
        renameSync(folder, `${folder}-2`);
        mkdirSync(folder);
      },
      'its folder was replaced, or its lock was removed',
    ],
    [
      'put back from a copy',
      () => {
        const text = readFileSync(join(folder, '.graft-lock-1'));
        renameSync(folder, `${folder}-2`);
        mkdirSync(folder);
        writeFileSync(join(folder, '.graft-lock-1'), text);
      },
      'its folder was replaced, or its lock was removed',
    ],
    [
      'taken over',
      () => {
        rmSync(join(folder, '.graft-lock-1'));
        leave(2, elsewhere);
      },
      'process 7 on elsewhere has taken it over',
    ],
  ])('the lock is lost when its folder is %s, and the folder stays unchanged', async (_, change, how) => {
    const lock = await acquire();
    await lock.check();
    change();
    const before = existsSync(folder) && locks();
    await expect(lock.check()).rejects.toMatchObject(lost(how));
    await lock.release();
    expect(existsSync(folder) && locks()).toEqual(before);
  });

  it('a lock cannot be acquired on a folder that no longer exists', async () => {
    rmSync(folder, { recursive: true });
    await expect(acquire()).rejects.toThrow('The run r cannot be claimed: the folder no longer exists.');
  });
});

it('the heartbeat continues while the main thread is busy', async () => {
  const lock = await acquire();
  const file = join(folder, '.graft-lock-1');
  // The thread has to open the file.
  await sleep(500);
  const before = statSync(file).mtimeMs;
  const until = performance.now() + 10 * HEARTBEAT_SECONDS * 1000;
  let after = before;
  while (after === before && performance.now() < until) after = statSync(file).mtimeMs;
  expect(after).toBeGreaterThan(before);
  await lock.release();
});

it('dissolving a lock leaves nothing in its moved folder', async () => {
  const lock = await acquire();
  renameSync(folder, `${folder}-2`);
  await lock.dissolve(`${folder}-2`);
  expect(readdirSync(`${folder}-2`)).toEqual([]);
});
