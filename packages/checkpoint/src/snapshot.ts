import { CheckpointError } from '@graft/engine';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFolderAtomically } from './atomic';
import { readJsonObject, writeCheckpointInto, writeJson, type CheckpointContents } from './folder';
import { SafetensorsReader } from './reader';
import { writeSafetensorsInto, type TensorSource } from './writer';

const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'trainer.json';
const MANIFEST_FILE = 'manifest.json';
const VERSION = 1;

/** Everything that a run needs to go on: a checkpoint folder that other tools load, and what only the trainer reads. */
export interface Snapshot {
  readonly model: CheckpointContents;
  readonly optimizer: readonly TensorSource[];
  /** JSON: step, data position, random state. */
  readonly state: unknown;
}

/** Writes a snapshot folder that appears whole or not at all. */
export async function saveSnapshot(folder: string, snapshot: Snapshot): Promise<void> {
  await writeFolderAtomically(
    folder,
    async (temporary) => {
      await writeCheckpointInto(temporary, snapshot.model);
      await writeSafetensorsInto(join(temporary, OPTIMIZER_FILE), snapshot.optimizer);
      await writeJson(join(temporary, STATE_FILE), snapshot.state);
      // The list of files with their sizes: a copy that lost one of them is told apart from a whole one.
      const files: Record<string, number> = {};
      for (const name of (await readdir(temporary)).sort()) files[name] = (await stat(join(temporary, name))).size;
      await writeJson(join(temporary, MANIFEST_FILE), { version: VERSION, files });
    },
    { overwrite: true },
  );
}

/** The trainer's JSON of a snapshot whose files are all there. Throws CheckpointError naming what is missing. */
export async function loadSnapshotState(folder: string): Promise<Record<string, unknown>> {
  const manifest = await readJsonObject(join(folder, MANIFEST_FILE));
  if (manifest.version !== VERSION) {
    throw new CheckpointError(
      `${folder} is a snapshot of version ${String(manifest.version)}; this Graft reads version ${VERSION}.`,
      {
        code: 'checkpoint.snapshot-version',
      },
    );
  }
  for (const [name, bytes] of Object.entries(manifest.files as Record<string, number>)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.size !== bytes) {
      throw new CheckpointError(
        `The snapshot ${folder} is not whole: ${name} should have ${bytes} bytes, ${found ? `but has ${found.size}` : 'but is missing'}.`,
        { code: 'checkpoint.snapshot-broken', hint: 'Resume from an older snapshot of the run.' },
      );
    }
  }
  return readJsonObject(join(folder, STATE_FILE));
}

export function openSnapshotOptimizer(folder: string): Promise<SafetensorsReader> {
  return SafetensorsReader.open(join(folder, OPTIMIZER_FILE));
}

export function snapshotFolder(checkpoints: string, step: number): string {
  return join(checkpoints, `step-${step}`);
}

/** Whole snapshots in a run's checkpoints folder, oldest first. */
export async function listSnapshots(checkpoints: string): Promise<{ step: number; folder: string }[]> {
  const names = await readdir(checkpoints).catch(() => []);
  return names
    .map((name) => /^step-(\d+)$/.exec(name))
    .filter((match) => match !== null)
    .map((match) => ({ step: Number(match[1]), folder: join(checkpoints, match[0]) }))
    .sort((a, b) => a.step - b.step);
}

/** Removes all but the newest `keep` snapshots. */
export async function pruneSnapshots(checkpoints: string, keep: number): Promise<void> {
  const snapshots = await listSnapshots(checkpoints);
  for (const { folder } of snapshots.slice(0, Math.max(0, snapshots.length - keep)))
    await rm(folder, { recursive: true, force: true });
}
