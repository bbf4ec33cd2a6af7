import { CheckpointError } from '@graft/engine';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { removeAtomically, writeFailure, writeFolderAtomically } from './atomic';
import { CONFIG_FILE, exists, isPlainFileName } from './folder';
import { readJsonObject, writeJson } from './json';
import { listSnapshots, stepOf } from './list-snapshots';
import { SafetensorsReader } from './reader';
import { writeCheckpointInto, type CheckpointContents } from './write-folder';
import { inOrder, writeSafetensorsInto, type TensorSource } from './writer';

const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'trainer.json';
export const MANIFEST_FILE = 'manifest.json';
/** Of trainer.json and manifest.json; raised when either changes its meaning. */
const VERSION = 1;

/** Everything that a run needs to go on: a checkpoint folder that other tools load, and what only the trainer reads. */
export interface Snapshot {
  readonly model: CheckpointContents;
  readonly optimizer: readonly TensorSource[];
  /** Averaged parameters, a checkpoint of its own in the folder `average`. */
  readonly average?: CheckpointContents;
  /** JSON: step, data position, random state. */
  readonly state: unknown;
}

/** Writes a snapshot folder, called `step-N`, that appears whole or not at all. An older one of that name is replaced. */
export async function saveSnapshot(folder: string, snapshot: Snapshot): Promise<void> {
  const step = stepOf(basename(resolve(folder)));
  if (step === undefined) {
    throw new CheckpointError(`A snapshot's folder must be called step-N, which ${folder} is not.`, {
      code: 'checkpoint.snapshot-name',
    });
  }
  // The folder of the checkpoints, but not the run's: one that was deleted must not come back with a checkpoint alone.
  await mkdir(dirname(resolve(folder))).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw await writeFailure(folder, folder, error);
  });
  await writeFolderAtomically(
    folder,
    async (temporary) => {
      await writeCheckpointInto(temporary, snapshot.model);
      const { optimizer, average, state } = snapshot;
      if (average) {
        await mkdir(averageFolder(temporary));
        await writeCheckpointInto(averageFolder(temporary), average);
      }
      await writeSafetensorsInto(join(temporary, OPTIMIZER_FILE), optimizer, inOrder(optimizer));
      await writeJson(join(temporary, STATE_FILE), { version: VERSION, step, state });
      // The list of files with their sizes: a copy that lost one of them is told apart from a whole one.
      const files: [string, number][] = [];
      for (const entry of await readdir(temporary, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        files.push([relative(temporary, path).split(sep).join('/'), (await stat(path)).size]);
      }
      files.sort(([a], [b]) => (a < b ? -1 : 1));
      await writeJson(join(temporary, MANIFEST_FILE), { version: VERSION, files: Object.fromEntries(files) });
    },
    { overwrite: true, makeParents: false },
  );
}

function broken(folder: string, problem: string): CheckpointError {
  return new CheckpointError(`The snapshot ${folder} is not whole: ${problem}.`, {
    code: 'checkpoint.snapshot-broken',
    hint: 'Use an older snapshot of the run, if there is one beside it.',
  });
}

function checkVersion(file: string, version: unknown): void {
  if (version === VERSION) return;
  throw new CheckpointError(`${file} is of version ${JSON.stringify(version)}; this Graft reads version ${VERSION}.`, {
    code: 'checkpoint.snapshot-version',
  });
}

/** Checks that every file of a snapshot is there, as long as it was written. Throws CheckpointError naming one that is not. */
export async function checkSnapshot(folder: string): Promise<void> {
  const manifestFile = join(folder, MANIFEST_FILE);
  if ((await exists(folder)) && !(await exists(manifestFile))) throw broken(folder, `${MANIFEST_FILE} is missing`);
  const { version, files } = await readJsonObject(manifestFile);
  checkVersion(manifestFile, version);
  if (typeof files !== 'object' || files === null || Array.isArray(files))
    throw broken(folder, `${MANIFEST_FILE} lists no files`);
  for (const name of [CONFIG_FILE, OPTIMIZER_FILE, STATE_FILE])
    if (!Object.hasOwn(files, name)) throw broken(folder, `${MANIFEST_FILE} does not list ${name}`);
  for (const [name, bytes] of Object.entries(files)) {
    if (
      !name
        .replace(/^average\//, '')
        .split('/')
        .every(isPlainFileName)
    )
      throw broken(folder, `${MANIFEST_FILE} lists ${JSON.stringify(name)}, which is not a file in it`);
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.size !== bytes)
      throw broken(folder, `${name} should have ${bytes} bytes, ${found ? `but has ${found.size}` : 'but is missing'}`);
  }
}

/** The trainer's JSON of a snapshot whose files are all there. Throws CheckpointError naming what is missing. */
export async function loadSnapshotState(folder: string): Promise<unknown> {
  await checkSnapshot(folder);
  const file = join(folder, STATE_FILE);
  const { version, state } = await readJsonObject(file);
  checkVersion(file, version);
  if (state === undefined) throw broken(folder, `${STATE_FILE} has no "state"`);
  return state;
}

export function openSnapshotOptimizer(folder: string): Promise<SafetensorsReader> {
  return SafetensorsReader.open(join(folder, OPTIMIZER_FILE));
}

/** Where a snapshot keeps averaged parameters, if it has any. */
export function averageFolder(snapshot: string): string {
  return join(snapshot, 'average');
}

export function snapshotFolder(checkpoints: string, step: number): string {
  return join(checkpoints, `step-${step}`);
}

/** Removes all but the newest `keep` snapshots, each at once and whole. At least one stays. */
export async function pruneSnapshots(checkpoints: string, keep: number): Promise<void> {
  const snapshots = await listSnapshots(checkpoints);
  for (const { folder } of snapshots.slice(0, -Math.max(1, keep))) await removeAtomically(folder);
}
