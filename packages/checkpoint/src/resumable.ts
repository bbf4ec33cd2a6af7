import { CheckpointError, shortened } from '@graft/engine';
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isThere, removeTemporaries, syncFolder, writeFailure } from './atomic';
import { exists } from './folder';
import { readJsonObject, writeJson } from './json';
import { SafetensorsReader } from './reader';
import { writeCheckpointInto, type CheckpointContents } from './write-folder';
import { inOrder, writeSafetensorsWith, type TensorSource } from './writer';

/** Says, in an unfinished folder, what it is to become. */
const PLAN_FILE = 'graft-unfinished.json';

/** The unfinished folder of `folder`: it has no config.json, so that nothing takes it for a checkpoint. */
export const unfinishedFolder = (folder: string): string => `${folder}.unfinished`;

export interface ResumableOptions {
  /** What the contents are made from, as JSON; going on demands that it has not changed. */
  readonly plan: Readonly<Record<string, unknown>>;
  /** Go on with what an interrupted call left; begin where there is nothing. */
  readonly resume?: boolean;
  /** Told of the tensors that lie in finished files already. */
  readonly onKept?: (tensors: readonly TensorSource[]) => void;
}

/**
 * Writes a Hugging Face folder that appears whole or not at all, and whose finished shards outlive an interruption: they
 * wait in `<folder>.unfinished`. Throws CheckpointError when the folder exists, when there is unfinished work that is
 * not to be resumed, and when that was another plan's.
 */
export async function writeCheckpointResumably(
  folder: string,
  contents: CheckpointContents,
  { plan, resume = false, onKept }: ResumableOptions,
): Promise<void> {
  if (await isThere(folder)) {
    throw new CheckpointError(`${folder} exists already.`, {
      code: 'checkpoint.exists',
      exitCode: 2,
      hint: 'Name another folder, or remove this one first.',
    });
  }
  const partial = unfinishedFolder(folder);
  try {
    await begin(partial, plan, resume);
    await writeCheckpointInto(partial, contents, async (file, shard) => {
      if (await isWritten(file, shard)) onKept?.(shard);
      else await writeSafetensorsWith(file, shard, inOrder(shard, contents.concurrency), { streams: true });
    });
    await rm(join(partial, PLAN_FILE));
    await syncFolder(partial);
    await rename(partial, folder);
    await syncFolder(dirname(folder));
  } catch (error) {
    const kept = await finishedFiles(partial);
    if (kept === 0) await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw await writeFailure(folder, partial, error, kept > 0 ? `${partial} keeps what was finished.` : undefined);
  }
}

async function begin(partial: string, plan: Readonly<Record<string, unknown>>, resume: boolean): Promise<void> {
  const planFile = join(partial, PLAN_FILE);
  if (!(await isThere(partial))) {
    await mkdir(partial, { recursive: true });
    return writeJson(planFile, plan);
  }
  if (!resume) {
    throw new CheckpointError(`${partial} holds the unfinished work of an earlier call.`, {
      code: 'checkpoint.unfinished',
      exitCode: 2,
      hint: 'Go on with it (--resume), or remove it to begin anew.',
    });
  }
  await removeTemporaries(partial);
  // Killed between making the folder and saying what for.
  if (!(await exists(planFile)) && (await finishedFiles(partial)) === 0) return writeJson(planFile, plan);
  const earlier = await readJsonObject(planFile);
  const now = JSON.parse(JSON.stringify(plan)) as Record<string, unknown>;
  const changed = [...new Set([...Object.keys(earlier), ...Object.keys(now)])].filter(
    (key) => JSON.stringify(earlier[key]) !== JSON.stringify(now[key]),
  );
  if (changed.length === 0) return;
  const [first] = changed;
  throw new CheckpointError(
    `${partial} was begun with other settings or sources: ${changed.join(', ')} changed (${first} was ${show(earlier[first])}, is ${show(now[first])}).`,
    { code: 'checkpoint.unfinished', exitCode: 2, hint: `Ask for the same again, or remove ${partial} to begin anew.` },
  );
}

function show(value: unknown): string {
  return shortened(JSON.stringify(value) ?? 'not there', 120);
}

/** A file has its name only when it is whole: what is left to check is that it holds the right tensors. */
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
