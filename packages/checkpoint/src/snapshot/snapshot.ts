import { CheckpointError } from '@graft/errors';
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { makeOneFolder, removeAtomically, syncFolder, writeFailure, writeFolderAtomically } from '../files/atomic';
import { digestOf } from '../safetensors/digest';
import { CheckpointReader, CONFIG_FILE, exists } from '../folder/checkpoint-reader';
import { ADAPTER_FILE, isAdapter } from '../folder/names';
import { sourceBytes } from '../safetensors/header';
import { jsonText, readJsonObject, writeSmallFile } from '../json/json';
import { listSnapshots, stepOf } from './list-snapshots';
import {
  AVERAGE,
  damaged,
  earlierManifestText,
  Manifest,
  MANIFEST_FILE,
  manifestText,
  OPTIMIZER_FILE,
  STATE_FILE,
  type FileRecord,
} from './manifest';
import { SafetensorsReader } from '../safetensors/reader';
import { writeCheckpointInto, type CheckpointContents } from '../folder/write-folder';
import { inOrder, writeSafetensorsInto, type TensorSource } from '../safetensors/writer';

/** Version of trainer.json; incremented when its meaning changes. */
const VERSION = 1;

/**
 * The files of small models may be read again soon, for example by an evaluation; large ones are written past the
 * system's cache.
 */
const STREAMED_FROM_BYTES = 64 << 20;

/**
 * Everything that a run needs to resume: a checkpoint folder that other tools load, and files that only the trainer
 * reads.
 */
export interface Snapshot {
  readonly model: CheckpointContents;
  readonly optimizer: readonly TensorSource[];
  /** Averaged parameters, a checkpoint of its own in the folder `average`. */
  readonly average?: CheckpointContents;
  /** JSON: step, data position, random state. */
  readonly state: unknown;
}

/** Writes files of a snapshot, and collects their entries for the manifest. */
class Recorder {
  readonly files = new Map<string, FileRecord>();

  constructor(
    private readonly root: string,
    private readonly digests: boolean,
  ) {}

  readonly small = async (file: string, content: string | Uint8Array): Promise<void> => {
    await writeSmallFile(file, content);
    this.files.set(this.name(file), { bytes: Buffer.byteLength(content), digest: digestOf(content) });
  };

  async tensors(file: string, sources: readonly TensorSource[], concurrency?: number): Promise<void> {
    const bytes = sources.reduce((sum, source) => sum + sourceBytes(source), 0);
    const options = { digests: this.digests, streams: bytes >= STREAMED_FROM_BYTES };
    const digests = await writeSafetensorsInto(file, sources, inOrder(sources, concurrency), options);
    this.files.set(this.name(file), { bytes: (await stat(file)).size, ...digests });
  }

  checkpoint(folder: string, contents: CheckpointContents): Promise<void> {
    const shard = (file: string, sources: readonly TensorSource[]): Promise<void> =>
      this.tensors(file, sources, contents.concurrency);
    return writeCheckpointInto(folder, contents, shard, this.small);
  }

  private name(file: string): string {
    return relative(this.root, file).split(sep).join('/');
  }
}

/**
 * Writes a snapshot folder, called `step-N`, that appears completely or not at all, with a manifest that has digests of
 * all its contents. An older one of that name is replaced. `digests: false` writes a version 1 manifest.
 */
export async function saveSnapshot(
  folder: string,
  snapshot: Snapshot,
  { digests = true }: { digests?: boolean } = {},
): Promise<void> {
  const step = stepOf(basename(resolve(folder)));
  if (step === undefined) {
    throw new CheckpointError(`A snapshot's folder must be called step-N, which ${folder} is not.`, {
      code: 'checkpoint.snapshot-name',
    });
  }
  // Creates the folder of the checkpoints, but not the run's: a deleted run must not reappear with only a checkpoint.
  const checkpoints = dirname(resolve(folder));
  try {
    if (await makeOneFolder(checkpoints)) await syncFolder(dirname(checkpoints));
  } catch (error) {
    throw await writeFailure(folder, folder, error);
  }
  await writeFolderAtomically(
    folder,
    async (temporary) => {
      const recorder = new Recorder(temporary, digests);
      await recorder.checkpoint(temporary, snapshot.model);
      const { optimizer, average, state } = snapshot;
      if (average) {
        await mkdir(averageFolder(temporary));
        await recorder.checkpoint(averageFolder(temporary), average);
      }
      await recorder.tensors(join(temporary, OPTIMIZER_FILE), optimizer);
      await recorder.small(join(temporary, STATE_FILE), jsonText({ version: VERSION, step, state }));
      const manifest = digests ? manifestText(step, recorder.files) : earlierManifestText(recorder.files);
      await writeSmallFile(join(temporary, MANIFEST_FILE), manifest);
    },
    { overwrite: true, makeParents: false },
  );
}

/**
 * Checks that every file of a snapshot exists with its size, and that files without tensors have the written bytes; a
 * tensor is checked when it is read. Throws CheckpointError that names the problem.
 */
export async function checkSnapshot(folder: string): Promise<Manifest> {
  const manifest = await Manifest.read(folder);
  const step = stepOf(basename(resolve(folder)));
  if (step !== undefined && manifest.step !== undefined && manifest.step !== step)
    throw damaged(folder, `${MANIFEST_FILE} is that of step ${manifest.step}`);
  for (const name of [CONFIG_FILE, OPTIMIZER_FILE, STATE_FILE])
    if (!manifest.files.has(name)) throw damaged(folder, `${MANIFEST_FILE} does not list ${name}`);
  for (const name of manifest.files.keys()) await manifest.check(name);
  return manifest;
}

/**
 * Reads a snapshot from end to end, averaged parameters and optimizer state too. Throws CheckpointError that names what
 * differs from what was written.
 */
export async function verifySnapshot(folder: string): Promise<Manifest> {
  const manifest = await checkSnapshot(folder);
  const parts: (() => Promise<CheckpointReader | SafetensorsReader>)[] = [() => openSnapshotOptimizer(folder)];
  for (const one of [folder, averageFolder(folder)])
    if ((await exists(one)) && !(await isAdapter(one))) parts.push(() => CheckpointReader.open(one));
  for (const [name, record] of manifest.files)
    if (basename(name) === ADAPTER_FILE) parts.push(() => SafetensorsReader.open(join(folder, name), record));
  for (const open of parts) {
    const reader = await open();
    try {
      for (const name of reader.tensors.keys()) for await (const _ of reader.chunks(name)) continue;
    } finally {
      await reader.close();
    }
  }
  return manifest;
}

/**
 * The trainer's JSON of a snapshot, after `checkSnapshot`, whose errors it throws. `checked`: the result of an earlier
 * `checkSnapshot`.
 */
export async function loadSnapshotState(folder: string, checked?: Manifest): Promise<unknown> {
  const manifest = checked ?? (await checkSnapshot(folder));
  const file = join(folder, STATE_FILE);
  const { version, step, state } = await readJsonObject(file);
  if (version !== VERSION) {
    throw new CheckpointError(
      `${file} is of version ${JSON.stringify(version) ?? 'nothing'}; this Graft reads version ${VERSION}.`,
      {
        code: 'checkpoint.snapshot-version',
      },
    );
  }
  const expected = stepOf(basename(resolve(folder))) ?? manifest.step;
  if (expected !== undefined && step !== expected)
    throw damaged(folder, `${STATE_FILE} is that of step ${JSON.stringify(step)}`);
  if (state === undefined) throw damaged(folder, `${STATE_FILE} has no "state"`);
  return state;
}

/** Checks every tensor when it is read, if the snapshot has digests. */
export async function openSnapshotOptimizer(folder: string): Promise<SafetensorsReader> {
  const manifest = await Manifest.read(folder);
  return SafetensorsReader.open(join(folder, OPTIMIZER_FILE), manifest.files.get(OPTIMIZER_FILE));
}

/** The folder of a snapshot's averaged parameters, if it has any. */
export function averageFolder(snapshot: string): string {
  return join(snapshot, AVERAGE);
}

export function snapshotFolder(checkpoints: string, step: number): string {
  return join(checkpoints, `step-${step}`);
}

/** Removes all but the newest `keep` snapshots, each atomically. At least one remains. */
export async function pruneSnapshots(checkpoints: string, keep: number): Promise<void> {
  const snapshots = await listSnapshots(checkpoints);
  for (const { folder } of snapshots.slice(0, -Math.max(1, keep))) await removeAtomically(folder);
}
