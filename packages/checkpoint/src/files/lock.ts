import { CheckpointError, UsageError, type GraftError } from '@graft/errors';
import { fileReason, openRegularFile } from '@graft/files';
import { randomBytes } from 'node:crypto';
import { link, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TEMPORARY_PREFIX } from './atomic';
import { HEARTBEAT_SECONDS, keepAlive } from './heartbeat';
import { livenessOf, ownIdentity, type Liveness, type ProcessIdentity } from './identity';

/*
 * The lock of a folder is a file in it, .graft-lock-N, that identifies its writer. The owner is whoever wrote the
 * highest N and has not released it. A lock that was released, or whose owner is dead, is taken over by creating N + 1,
 * which the file system allows to one process only. Nobody removes the highest number, so numbers only increase: a slow
 * process that creates a number below the highest one sees the higher one and has lost. (Removing a stale lock and
 * creating it again, as libraries do, lets two processes win: the second removes the lock that the first has just
 * created.)
 */

/** Names of locks begin so; readers of folders ignore them. */
export const LOCK_PREFIX = '.graft-lock-';
/** Whether a name is that of a lock, or of an unfinished file of a killed process: nothing of value. */
export const isPassing = (name: string): boolean => name.startsWith(LOCK_PREFIX) || name.startsWith(TEMPORARY_PREFIX);
/** Largest number of a lock: far more than the number of claims. */
const LAST_NUMBER = 1e9;
/** No lock that Graft writes is longer. */
const MAX_BYTES = 4096;
/** Seconds without a heartbeat after which a process that cannot be seen from here counts as dead. */
const DEAD_AFTER_SECONDS = 10 * HEARTBEAT_SECONDS;
const LOOK_EVERY_MS = 250;
/** Error codes of file systems without hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL', 'EACCES'];

/** The contents of a lock. */
interface LockRecord extends ProcessIdentity {
  readonly token: string;
  readonly released?: true;
}

export interface LockOptions {
  /** The name of the locked object, at the beginning of a sentence: `The run runs/a/1`. */
  readonly what: string;
  /** Code of the error if another process has the lock. */
  readonly code: string;
  readonly hint: string;
  /** Called with a sentence before watching whether an owner that cannot be seen from here is alive. */
  readonly onWatch?: (sentence: string) => void;
  /** Default: 30. */
  readonly deadAfterSeconds?: number;
}

/** Tokens of this process, from any copy of this module. */
const held = ((globalThis as Record<symbol, unknown>)[Symbol.for('graft.locks')] ??= new Set()) as Set<string>;

/** An exclusive claim to a folder, which ends with the process that owns it. */
export class FolderLock {
  private readonly stopBeating: () => void;
  private released = false;

  private constructor(
    readonly folder: string,
    private readonly number: number,
    private readonly token: string,
    private readonly what: string,
    private readonly inode: { readonly dev: bigint; readonly ino: bigint },
  ) {
    held.add(token);
    this.stopBeating = keepAlive(this.file, inode.ino);
  }

  /**
   * Claims a folder that exists. Throws UsageError if another process has it, without changing anything; of several
   * processes that claim it at the same time, one succeeds.
   */
  static async acquire(folder: string, options: LockOptions): Promise<FolderLock> {
    const token = randomBytes(12).toString('hex');
    try {
      for (;;) {
        const before = await highest(folder);
        if (before > 0) {
          const found = await readLock(lockFile(folder, before));
          // Its successor has removed it.
          if (found === 'gone') continue;
          if (!(await isFree(lockFile(folder, before), found, options))) continue;
        }
        const number = before + 1;
        if (number > LAST_NUMBER) throw new Error(`${lockFile(folder, before)} has too high a number`);
        if (!(await makeExclusively(folder, number, { ...ownIdentity(), token }))) continue;
        if ((await highest(folder)) === number) {
          const inode = await stat(lockFile(folder, number), { bigint: true });
          const lock = new FolderLock(folder, number, token, options.what, inode);
          await removeOlder(folder, number);
          return lock;
        }
        await rm(lockFile(folder, number), { force: true });
      }
    } catch (cause) {
      if (cause instanceof UsageError) throw cause;
      const code = (cause as NodeJS.ErrnoException).code;
      const reason = code === 'ENOENT' ? 'the folder no longer exists' : fileReason(cause);
      throw new CheckpointError(`${options.what} cannot be claimed: ${reason}.`, { code: 'checkpoint.lock', cause });
    }
  }

  /** Throws if the folder is no longer the claimed one: it was deleted, moved, put back from a copy, or taken over. */
  async check(): Promise<void> {
    const found = await stat(this.file, { bigint: true }).catch(() => undefined);
    if (found?.ino === this.inode.ino && found.dev === this.inode.dev) return;
    throw await this.lost();
  }

  /** Releases the folder. A folder that no longer exists counts as released. */
  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    this.stopBeating();
    const temporary = temporaryName(this.folder);
    try {
      await this.check();
      await writeFile(temporary, lockText({ ...ownIdentity(), token: this.token, released: true }), { flag: 'wx' });
      await rename(temporary, this.file);
    } catch {
      // For example, a full disk. The lock ends with this process.
      await rm(temporary, { force: true }).catch(() => undefined);
    } finally {
      held.delete(this.token);
    }
  }

  /** Ends the claim to a folder that has got its final name: nothing of the lock remains in it. */
  async dissolve(folder: string): Promise<void> {
    this.released = true;
    this.stopBeating();
    held.delete(this.token);
    for (const [name] of await locksIn(folder)) await rm(join(folder, name), { force: true });
  }

  private get file(): string {
    return lockFile(this.folder, this.number);
  }

  private async lost(): Promise<GraftError> {
    const number = await highest(this.folder).catch(() => undefined);
    const owner = number ? await readLock(lockFile(this.folder, number)) : undefined;
    const how =
      number === undefined
        ? 'its folder was deleted or moved'
        : number > this.number && typeof owner === 'object'
          ? `process ${owner.pid} on ${owner.host} has taken it over`
          : 'its folder was replaced, or its lock was removed';
    return new CheckpointError(`${this.what} cannot continue: ${how} while this process was writing to it.`, {
      code: 'checkpoint.lost',
      hint: 'What was saved before is where the folder is now.',
    });
  }
}

const lockFile = (folder: string, number: number): string => join(folder, `${LOCK_PREFIX}${number}`);

const temporaryName = (folder: string): string =>
  join(folder, `${TEMPORARY_PREFIX}lock-${process.pid}-${randomBytes(4).toString('hex')}`);

const lockText = (record: LockRecord): string => `${JSON.stringify(record)}\n`;

async function locksIn(folder: string): Promise<[name: string, number: number][]> {
  return (await readdir(folder)).flatMap((name): [string, number][] => {
    const digits = name.startsWith(LOCK_PREFIX) ? name.slice(LOCK_PREFIX.length) : '';
    return /^[1-9]\d{0,9}$/.test(digits) ? [[name, Number(digits)]] : [];
  });
}

/** 0: no lock was ever created. */
async function highest(folder: string): Promise<number> {
  return Math.max(0, ...(await locksIn(folder)).map(([, number]) => number));
}

/** Whether a folder was ever claimed. */
export async function hasLock(folder: string): Promise<boolean> {
  return (await highest(folder).catch(() => 0)) > 0;
}

async function removeOlder(folder: string, number: number): Promise<void> {
  for (const [name, other] of await locksIn(folder))
    if (other < number) await rm(join(folder, name), { force: true }).catch(() => undefined);
}

/** undefined: its contents cannot be read; it is being written, or a crash truncated it. */
async function readLock(file: string): Promise<LockRecord | undefined | 'gone'> {
  try {
    const handle = await openRegularFile(file);
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
      const record = JSON.parse(buffer.toString('utf8', 0, bytesRead)) as Partial<LockRecord> | null;
      const { pid, host, token } = record ?? {};
      const isPid = typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 0;
      return isPid && typeof host === 'string' && typeof token === 'string' ? (record as LockRecord) : undefined;
    } finally {
      await handle.close();
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : undefined;
  }
}

/** Whether a lock can be taken over; false if it changed meanwhile. Throws UsageError if its owner is alive. */
async function isFree(file: string, found: LockRecord | undefined, options: LockOptions): Promise<boolean> {
  if (found?.released === true) return true;
  const liveness = ownerOf(found);
  if (liveness === 'dead') return true;
  if (liveness === 'alive') throw busy(found, options);
  const seconds = options.deadAfterSeconds ?? DEAD_AFTER_SECONDS;
  options.onWatch?.(
    `${options.what} was claimed by ${described(found)}, which cannot be seen from here. Watching up to ${seconds} s whether it is alive.`,
  );
  const first = await lastSign(file);
  // This process's own clock: clocks of several machines differ.
  const began = performance.now();
  while (performance.now() - began < seconds * 1000) {
    await sleep(LOOK_EVERY_MS);
    const sign = await lastSign(file);
    if (sign === first) continue;
    const now = await readLock(file);
    if (now === 'gone' || now === undefined || now.token !== found?.token || now.released) return false;
    throw busy(found, options);
  }
  return true;
}

function ownerOf(found: LockRecord | undefined): Liveness {
  if (found === undefined) return 'unknown';
  const isOwn = found.pid === process.pid && livenessOf(found) === 'alive';
  if (isOwn) return held.has(found.token) ? 'alive' : 'unknown';
  return livenessOf(found);
}

/** Changes with every heartbeat. The file is opened each time, because network file systems cache attributes. */
async function lastSign(file: string): Promise<string> {
  try {
    const handle = await openRegularFile(file);
    try {
      const { mtimeNs, ino } = await handle.stat({ bigint: true });
      return `${mtimeNs} ${ino}`;
    } finally {
      await handle.close();
    }
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

function described(found: LockRecord | undefined): string {
  return found ? `process ${found.pid} on ${found.host}` : 'a process that did not leave its name';
}

function busy(found: LockRecord | undefined, { what, code, hint }: LockOptions): UsageError {
  const place = found && found.host !== ownIdentity().host ? ` on ${found.host}` : '';
  return new UsageError(`${what} is still running, in ${found ? `process ${found.pid}${place}` : described(found)}.`, {
    code,
    hint,
  });
}

/** false if the lock exists already. With hard links, the lock appears together with its contents. */
async function makeExclusively(folder: string, number: number, record: LockRecord): Promise<boolean> {
  const file = lockFile(folder, number);
  const temporary = temporaryName(folder);
  try {
    await writeFile(temporary, lockText(record), { flag: 'wx' });
    try {
      await link(temporary, file);
      return true;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (code === 'EEXIST') return await isOurs(file, record);
      // The owner removes temporary files when it starts.
      if (code === 'ENOENT' && (await stat(folder)).isDirectory()) return false;
      if (!NO_LINKS.includes(code)) throw error;
    }
    await writeFile(file, lockText(record), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** A network file system may lose the reply to a successful call and repeat it. */
async function isOurs(file: string, { token }: LockRecord): Promise<boolean> {
  const found = await readLock(file);
  return typeof found === 'object' && found.token === token;
}
