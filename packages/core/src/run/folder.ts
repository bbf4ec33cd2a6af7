import { listSnapshots } from '@graft/checkpoint';
import {
  FolderLock,
  hasLock,
  livenessOf,
  makeFolder,
  ownIdentity,
  readJsonFile,
  readJsonObject,
  removeTemporaries,
  syncFolder,
  TEMPORARY_PREFIX,
  writeFileAtomically,
} from '@graft/checkpoint/internal';
import { CheckpointError, GraftError, UsageError } from '@graft/engine';
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, rename, rm, rmdir, symlink, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EvaluationRecord } from '../evaluation/evaluations';
import type { RunEnvironment, RunInfo } from '../interfaces';
import { maskedConfig, maskedRecord } from '../secrets/mask';
import type { configFacts } from './run-info';
import type { BestCheckpoint, KeptCheckpoints, RunSink, SnapshotContents } from '../training/run-sink';
import { runId } from './identity';
import { firstLoss, MetricsFile } from './metrics';
import { removeSuperseded, sweepSnapshots, writeSnapshot } from './snapshots';
import { unmakable } from './unmakable';
import { nextSequence, readRunRecord, type RunRecord } from './record';

export type { RunRecord, RunStatus } from './record';

const MAX_ATTEMPTS = 100;
const BUSY_HINT = 'Stop that process first (Ctrl-C makes it save), or name another run.';

/** `<runs>/<name>/<id>/`: everything that a run leaves, and everything that other tools read. */
export class RunFolder implements RunSink {
  private lock: FolderLock | undefined;
  /** This process created the run instead of resuming it. */
  private isNew = false;

  private constructor(
    readonly path: string,
    readonly record: RunRecord,
  ) {}

  /** A new folder with config.json and run.json, claimed by this process. */
  static async create(runs: string, name: string, config: object, kind?: RunRecord['kind']): Promise<RunFolder> {
    const parent = resolve(runs, name);
    try {
      await makeFolder(parent);
      let attempts = 0;
      for (;;) {
        const now = new Date();
        const id = runId(config, now);
        const path = join(parent, id);
        try {
          // Not recursive: an existing folder belongs to another run that began in the same millisecond.
          await mkdir(path);
          await syncFolder(parent);
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          // Another run that never began may have removed the name's folder, if it was the only run in it.
          if (code === 'ENOENT' && attempts++ < MAX_ATTEMPTS) await makeFolder(parent);
          else if (code !== 'EEXIST') throw error;
          await sleep(1);
          continue;
        }
        const createdAt = now.toISOString();
        const folder = new RunFolder(path, {
          name,
          id,
          sequence: await nextSequence(parent),
          kind,
          status: 'running',
          createdAt,
          updatedAt: createdAt,
          steps: 0,
        });
        folder.isNew = true;
        folder.lock = await folder.acquire();
        try {
          await folder.writeConfig(config);
          await folder.update({ process: ownIdentity() });
        } catch (error) {
          await folder.remove().catch(() => folder.release());
          throw error;
        }
        return folder;
      }
    } catch (cause) {
      if (cause instanceof GraftError) throw cause;
      throw await unmakable(parent, cause);
    }
  }

  static async open(path: string): Promise<RunFolder> {
    return new RunFolder(path, await readRunRecord(path));
  }

  /** With a record that the caller has already read. */
  static of(path: string, record: RunRecord): RunFolder {
    return new RunFolder(path, record);
  }

  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  get metricsFile(): string {
    return join(this.path, 'metrics.jsonl');
  }

  get evaluationsFile(): string {
    return join(this.path, 'evaluations.json');
  }

  /**
   * Claims the run for this process, and reads its record again: another process may have resumed it meanwhile. Throws
   * UsageError if a living process works on it, and whatever `check` throws; then nothing has changed. `onWatch`
   * receives a sentence if it takes a while to find out whether the previous process, on another machine, is still
   * alive.
   */
  async claim(options: { check?: () => Promise<void>; onWatch?: (sentence: string) => void } = {}): Promise<void> {
    const { status, process: owner } = this.record;
    // For runs of a Graft version without locks.
    if (status === 'running' && owner && owner.pid !== process.pid && !(await hasLock(this.path))) {
      const state = livenessOf(owner);
      const isHere = owner.host === ownIdentity().host && owner.started === undefined;
      if (state === 'alive' || (state === 'unknown' && isHere))
        throw new UsageError(`The run ${this.path} is still running, in process ${owner.pid}.`, {
          code: 'run.busy',
          hint: BUSY_HINT,
        });
    }
    const lock = await this.acquire(options.onWatch);
    try {
      Object.assign(this.record, await readRunRecord(this.path));
      await options.check?.();
    } catch (error) {
      await lock.release();
      throw error;
    }
    this.lock = lock;
    await this.update({ status: 'running', process: ownIdentity(), error: undefined });
  }

  private acquire(onWatch?: (sentence: string) => void): Promise<FolderLock> {
    return FolderLock.acquire(this.path, {
      what: `The run ${this.path}`,
      code: 'run.busy',
      hint: BUSY_HINT,
      onWatch,
    });
  }

  /**
   * Throws CheckpointError if the folder no longer belongs to this process: it was deleted, moved or replaced, or
   * another process has claimed it. Writing into a deleted file succeeds, so only this check notices.
   */
  async check(): Promise<void> {
    await this.lock?.check();
  }

  /** Ends this process's work on the run. */
  async release(): Promise<void> {
    await this.lock?.release();
    this.lock = undefined;
    this.isNew = false;
  }

  /**
   * Removes a run that never began, and the name's folder if it was the only run in it. Keeps a folder that has
   * replaced it.
   */
  async remove(): Promise<void> {
    await this.check();
    await rm(this.path, { recursive: true, force: true });
    await this.release();
    await rmdir(dirname(this.path)).catch(() => undefined);
  }

  /**
   * Points `<runs>/<name>/latest` to this run, unless it is new and a newer one of its kind exists already, or it is an
   * evaluation and `latest` is a training with checkpoints. Does nothing on file systems without links.
   */
  async becomeLatest(): Promise<void> {
    const link = join(dirname(this.path), 'latest');
    const other = await readRunRecord(link).catch(() => undefined);
    const { kind } = this.record;
    if (kind === 'evaluation' && other?.kind !== kind && (await isCheckpointIn(join(link, 'checkpoints')))) return;
    if (this.isNew && other?.kind === kind && (other?.sequence ?? 0) > (this.record.sequence ?? 0)) return;
    await replaceLink(link, this.record.id);
  }

  /**
   * `becomeLatest` for a run that begins: not yet if the latest run has results and this one has none. It may fail
   * before its first result, which would leave readers of `latest` with nothing.
   */
  async beginAsLatest(): Promise<void> {
    const latest = join(dirname(this.path), 'latest');
    if ((await hasResults(this.path)) || !(await hasResults(latest))) await this.becomeLatest();
  }

  hasCheckpoint(): Promise<boolean> {
    return isCheckpointIn(this.checkpoints);
  }

  info(facts: ReturnType<typeof configFacts>): RunInfo {
    return { name: this.record.name, id: this.record.id, folder: this.path, ...facts };
  }

  async update(changes: Partial<RunRecord>): Promise<void> {
    await this.check();
    Object.assign(this.record, changes, { updatedAt: new Date().toISOString() });
    await replaceJson(join(this.path, 'run.json'), maskedRecord(this.record));
  }

  config(): Promise<Record<string, unknown>> {
    return readJsonObject(join(this.path, 'config.json'));
  }

  async writeConfig(config: object): Promise<void> {
    await replaceJson(join(this.path, 'config.json'), maskedConfig(config));
  }

  /** Appends an entry to environment.json, which has one for each process that works on the run. */
  async addEnvironment(environment: RunEnvironment): Promise<void> {
    await this.check();
    const file = join(this.path, 'environment.json');
    const earlier = await readJsonFile(file).catch(() => []);
    await replaceJson(file, maskedRecord([...(Array.isArray(earlier) ? (earlier as unknown[]) : []), environment]));
  }

  /** The records in evaluations.json. Throws CheckpointError if the file contains anything but a list. */
  async evaluations(): Promise<EvaluationRecord[]> {
    let problem = '';
    try {
      const records = await readJsonFile(this.evaluationsFile);
      if (Array.isArray(records)) return records as EvaluationRecord[];
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      problem = `: ${(cause as Error).message}`;
    }
    throw new CheckpointError(`${this.evaluationsFile} does not hold a JSON list${problem}.`, {
      code: 'run.evaluations',
    });
  }

  async removeHalfWritten(): Promise<void> {
    await sweepSnapshots(this.checkpoints);
    await removeTemporaries(this.path);
  }

  openMetrics(steps: number): Promise<MetricsFile> {
    return MetricsFile.open(this.metricsFile, steps, () => this.check());
  }

  firstLoss(): Promise<number | undefined> {
    return firstLoss(this.metricsFile);
  }

  async snapshotSteps(): Promise<number[]> {
    return (await listSnapshots(this.checkpoints)).map(({ step }) => step);
  }

  writeSnapshot(keep: KeptCheckpoints, contents: SnapshotContents): Promise<string> {
    return writeSnapshot(this.checkpoints, keep, contents);
  }

  /** Also points `best` in the run's folder to it; on file systems without links, only run.json names it. */
  async keepBest(newest: number, best: BestCheckpoint): Promise<void> {
    await this.update({ best });
    await replaceLink(join(this.path, 'best'), join('checkpoints', `step-${best.step}`));
    await removeSuperseded(this.checkpoints, { newest, best: best.step });
  }

  async writeEvaluations(records: readonly EvaluationRecord[]): Promise<void> {
    await this.check();
    await replaceJson(this.evaluationsFile, maskedRecord(records));
  }
}

/** Points a link to a target relative to its folder. Does nothing on file systems without links. */
async function replaceLink(link: string, target: string): Promise<void> {
  const temporary = join(dirname(link), `${TEMPORARY_PREFIX}${basename(link)}-${randomBytes(4).toString('hex')}`);
  try {
    // Anything else with that name belongs to the user: leave it.
    if ((await lstat(link).catch(() => undefined))?.isSymbolicLink() === false) return;
    await symlink(target, temporary);
    await rename(temporary, link);
    await syncFolder(dirname(link));
  } catch {
    await unlink(temporary).catch(() => undefined);
  }
}

/** Whether a run has results: a checkpoint, or numbers of an evaluator. */
async function hasResults(run: string): Promise<boolean> {
  if (await isCheckpointIn(join(run, 'checkpoints'))) return true;
  const records = await readJsonFile(join(run, 'evaluations.json')).catch(() => []);
  return Array.isArray(records) && records.length > 0;
}

async function isCheckpointIn(checkpoints: string): Promise<boolean> {
  return (await listSnapshots(checkpoints).catch(() => [])).length > 0;
}

async function replaceJson(file: string, value: unknown): Promise<void> {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  // Writing this file must not recreate a folder that was deleted.
  await writeFileAtomically(file, (temporary) => writeFile(temporary, text), { makeParents: false });
}
