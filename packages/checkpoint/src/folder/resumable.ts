import { CheckpointError, shownJson } from '@graft/errors';
import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  isThere,
  makeFolder,
  makeOneFolder,
  removeAtomically,
  removeTemporaries,
  syncFolder,
  writeFailure,
} from '../files/atomic';
import { exists } from './names';
import { readJsonObject, writeJson } from '../json/json';
import { FolderLock, isPassing } from '../files/lock';
import { SafetensorsReader } from '../safetensors/reader';
import { writeCheckpointInto, type CheckpointContents } from './write-folder';
import { inOrder, writeSafetensorsWith, type TensorSource } from '../safetensors/writer';

/** The file in an unfinished folder that describes what it will become. */
const PLAN_FILE = 'graft-unfinished.json';

/** The unfinished folder of `folder`: it has no config.json, so nothing mistakes it for a checkpoint. */
export const unfinishedFolder = (folder: string): string => `${folder.replace(/(?<=.)[/\\]+$/, '')}.unfinished`;

export interface ResumableOptions {
  /** The inputs of the contents, as JSON; resuming requires that they have not changed. */
  readonly plan: Readonly<Record<string, unknown>>;
  /** Continue an interrupted call; start from scratch if there is none. */
  readonly resume?: boolean;
  /** Called with the tensors that are already in finished files. */
  readonly onKept?: (tensors: readonly TensorSource[]) => void;
  /** Called with a sentence if it takes a while to find out whether another process is still writing. */
  readonly onWatch?: (sentence: string) => void;
}

/**
 * Writes a Hugging Face folder that appears whole or not at all, and whose finished shards survive an interruption:
 * they stay in `<folder>.unfinished`, which only one process at a time writes. Throws CheckpointError if the folder
 * exists, if there is unfinished work that is not to be resumed, or if that work has another plan or is not Graft's;
 * UsageError if another process is writing it. Then nothing has changed.
 */
export async function writeCheckpointResumably(
  folder: string,
  contents: CheckpointContents,
  options: ResumableOptions,
): Promise<void> {
  await refuseExisting(folder);
  const partial = unfinishedFolder(folder);
  const lock = await begin(folder, partial, options).catch(async (error: unknown) => {
    throw await writeFailure(folder, partial, error, 'Nothing was written.');
  });
  try {
    await writeCheckpointInto(partial, contents, async (file, shard) => {
      await lock.check();
      if (await isWritten(file, shard)) options.onKept?.(shard);
      else await writeSafetensorsWith(file, shard, inOrder(shard, contents.concurrency), { streams: true });
    });
    await lock.check();
    await rm(join(partial, PLAN_FILE));
    await syncFolder(partial);
    await rename(partial, folder);
    await lock.dissolve(folder);
    await syncFolder(dirname(folder));
  } catch (error) {
    const kept = await finishedFiles(partial);
    // Only if the folder is still this process's own: somebody else may have replaced it.
    const isOwn = await lock.check().then(
      () => true,
      () => false,
    );
    if (kept === 0 && isOwn) await removeAtomically(partial).catch(() => undefined);
    await lock.release();
    throw await writeFailure(folder, partial, error, kept > 0 ? `${partial} keeps what was finished.` : undefined);
  }
}

async function refuseExisting(folder: string): Promise<void> {
  if (!(await isThere(folder))) return;
  throw new CheckpointError(`${folder} exists already.`, {
    code: 'checkpoint.exists',
    exitCode: 2,
    hint: 'Name another folder, or remove this one first.',
  });
}

/** Claims the unfinished folder, new or resumed. */
async function begin(folder: string, partial: string, options: ResumableOptions): Promise<FolderLock> {
  const made = await makeNew(partial);
  if (!made && !(await isGrafts(partial)))
    throw unfinished(
      `${partial} was not left by an interrupted call of Graft`,
      'Name another folder, or rename that one.',
    );
  const lock = await FolderLock.acquire(partial, {
    what: `The writing of ${partial}`,
    code: 'checkpoint.busy',
    hint: 'Wait until that process has finished, or name another folder.',
    onWatch: options.onWatch,
  });
  try {
    // Another process may have finished meanwhile.
    await refuseExisting(folder);
    await adopt(partial, made, options);
    return lock;
  } catch (error) {
    if (made && (await isEmpty(partial))) await removeAtomically(partial).catch(() => undefined);
    await lock.release();
    throw error;
  }
}

/** Whether the folder was created; false if something of that name exists already. */
async function makeNew(partial: string): Promise<boolean> {
  await makeFolder(dirname(partial));
  return makeOneFolder(partial);
}

/** Whether a folder describes what it will become, or was created and not written to yet. */
async function isGrafts(partial: string): Promise<boolean> {
  const entry = await lstat(partial).catch(() => undefined);
  if (!entry?.isDirectory()) return false;
  return (await exists(join(partial, PLAN_FILE))) || isEmpty(partial);
}

/** Ignores locks, and unfinished files of killed processes. */
async function isEmpty(partial: string): Promise<boolean> {
  return (await readdir(partial)).every(isPassing);
}

/** Checks that the contents of the claimed folder, if any, may be resumed. */
async function adopt(partial: string, made: boolean, { plan, resume = false }: ResumableOptions): Promise<void> {
  const planFile = join(partial, PLAN_FILE);
  const isNew = await isEmpty(partial);
  if (!resume && !(made && isNew))
    throw unfinished(
      `${partial} holds the unfinished work of an earlier call`,
      'Continue it (--resume), or remove it to begin again.',
    );
  // New, or killed between creating the folder and writing its description.
  if (isNew) return writeJson(planFile, plan);
  const earlier = await readJsonObject(planFile);
  const now = JSON.parse(JSON.stringify(plan)) as Record<string, unknown>;
  const changed = [...new Set([...Object.keys(earlier), ...Object.keys(now)])].filter(
    (key) => JSON.stringify(earlier[key]) !== JSON.stringify(now[key]),
  );
  if (changed.length === 0) return removeTemporaries(partial);
  const [first] = changed;
  throw unfinished(
    `${partial} was begun with other settings or sources: ${changed.join(', ')} changed (${first} was ${shown(earlier[first])}, is ${shown(now[first])})`,
    `Ask for the same again, or remove ${partial} to begin again.`,
  );
}

function unfinished(problem: string, hint: string): CheckpointError {
  return new CheckpointError(`${problem}.`, { code: 'checkpoint.unfinished', exitCode: 2, hint });
}

const shown = (value: unknown): string => shownJson(value, 'not there', 120);

/** A file gets its name only when it is complete: it remains to check that it contains the right tensors. */
async function isWritten(file: string, shard: readonly TensorSource[]): Promise<boolean> {
  if (!(await exists(file))) return false;
  const reader = await SafetensorsReader.open(file);
  const describe = ({ name, dtype, shape }: Pick<TensorSource, 'name' | 'dtype' | 'shape'>): string =>
    `${name} ${dtype} ${shape.join()}`;
  const found = [...reader.tensors.entries()].map(([name, info]) => describe({ ...info, name }));
  await reader.close();
  return found.sort().join() === shard.map(describe).sort().join();
}

async function finishedFiles(partial: string): Promise<number> {
  const entry = await lstat(partial).catch(() => undefined);
  if (!entry?.isDirectory()) return 0;
  return (await readdir(partial)).filter((name) => basename(name).endsWith('.safetensors')).length;
}
