import { listSnapshots, readJsonObject, TEMPORARY_PREFIX, writeFileAtomically } from '@graft/checkpoint';
import { CheckpointError, GraftError, UsageError } from '@graft/engine';
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm, rmdir, symlink, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunInfo } from '../interfaces';
import type { SpecialTokensSection } from '../special-tokens';
import { nearest } from '../suggest';
import { isAlive, ownIdentity, runId, type ProcessIdentity } from './identity';
import { makeFolders, unmakable } from './make-folders';

export type RunStatus = 'running' | 'finished' | 'interrupted' | 'failed';

/** run.json: what became of the run. */
export interface RunRecord {
  name: string;
  id: string;
  /** Absent in runs that train. */
  kind?: 'evaluation';
  /** A run that was killed stays `running`; its process is gone. */
  status: RunStatus;
  createdAt: string;
  updatedAt: string;
  /** Steps done when the status was written. */
  steps: number;
  /** Parameters of the model. */
  parameters?: number;
  /** Which special tokens stand around what the model reads: `auto` resolved. Absent in runs from before there was such a policy. */
  specialTokens?: SpecialTokensSection;
  /** Processes that trained it together, where there were several. */
  workers?: number;
  /** One line on what executed it. */
  engine?: string;
  versions?: Readonly<Record<string, string>>;
  /** The sentence that ended a failed run. */
  error?: string;
  /** Who works on it, or did last. */
  process?: ProcessIdentity;
}

/** One evaluation in evaluations.json. */
export interface EvaluationRecord {
  /** Steps done before it. */
  readonly step: number;
  readonly evaluator: string;
  readonly metrics: Readonly<Record<string, number>>;
  /** How long it took. */
  readonly seconds: number;
}

/** Runs that this process works on right now; the same process may well have left others behind. */
const active = new Set<string>();

const LISTED_IDS = 12;

/** `<runs>/<name>/<id>/`: everything that a run leaves, and everything that other tools read. */
export class RunFolder {
  private constructor(
    readonly path: string,
    readonly record: RunRecord,
  ) {}

  /** A new folder with config.json and run.json, claimed by this process. */
  static async create(runs: string, name: string, config: object, kind?: RunRecord['kind']): Promise<RunFolder> {
    const parent = resolve(runs, name);
    try {
      await makeFolders(parent);
      for (;;) {
        const now = new Date();
        const id = runId(config, now);
        const path = join(parent, id);
        try {
          // Not recursive: a folder that is there already belongs to another run, begun in the same millisecond.
          await mkdir(path);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
          await sleep(1);
          continue;
        }
        const createdAt = now.toISOString();
        const folder = new RunFolder(path, {
          name,
          id,
          kind,
          status: 'running',
          createdAt,
          updatedAt: createdAt,
          steps: 0,
        });
        await folder.writeConfig(config);
        await folder.claim();
        return folder;
      }
    } catch (cause) {
      if (cause instanceof GraftError) throw cause;
      throw await unmakable(parent, cause);
    }
  }

  static async open(path: string): Promise<RunFolder> {
    return new RunFolder(path, (await readJsonObject(join(path, 'run.json'))) as unknown as RunRecord);
  }

  /**
   * The run to go on with: that of `id`, or else the newest unfinished one of the name that has a checkpoint, or else the
   * newest unfinished one, or else the newest that has fewer steps than `steps` asks for. Throws UsageError listing the runs there are. Runs of the other kind do not count.
   */
  static async find(
    runs: string,
    name: string,
    id?: string,
    { steps = 0, kind }: { steps?: number; kind?: RunRecord['kind'] } = {},
  ): Promise<RunFolder> {
    const parent = resolve(runs, name);
    const ids = await listRuns(parent);
    if (id !== undefined) {
      if (ids.includes(id)) return checkKind(await RunFolder.open(join(parent, id)), kind);
      const guess = nearest(id, ids);
      throw new UsageError(
        `There is no run "${id}" in ${parent}; ${listed(ids)}${guess ? `; did you mean "${guess}"?` : '.'}`,
        {
          code: 'run.unknown',
        },
      );
    }
    const folders = await Promise.all(ids.map((known) => RunFolder.open(join(parent, known)).catch(() => undefined)));
    const newestFirst = folders.filter((folder) => folder?.record.kind === kind).reverse() as RunFolder[];
    const unfinished = newestFirst.filter(({ record }) => record.status !== 'finished');
    const found =
      (await firstWithCheckpoint(unfinished)) ??
      unfinished.at(0) ??
      newestFirst.find(({ record }) => record.steps < steps);
    if (found) return found;
    throw new UsageError(
      ids.length === 0
        ? `Nothing to resume: there is no run in ${parent}.`
        : `Nothing to resume: every run in ${parent} is finished; ${listed(ids)}.`,
      {
        code: 'run.none',
        hint: 'Start a new run without --resume, or raise train.steps to go on with a finished one.',
      },
    );
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

  /** Takes the run for this process. Throws UsageError when a living process works on it. */
  async claim(): Promise<void> {
    const { status, process: owner } = this.record;
    const busy =
      active.has(this.path) || (status === 'running' && owner && owner.pid !== process.pid && isAlive(owner));
    if (busy) {
      throw new UsageError(`The run ${this.path} is still going on, in process ${owner?.pid ?? process.pid}.`, {
        code: 'run.busy',
        hint: 'Stop that process first (Ctrl-C makes it save), or name another run.',
      });
    }
    active.add(this.path);
    await this.update({ status: 'running', process: ownIdentity(), error: undefined });
  }

  /** Ends this process's work on it. */
  release(): void {
    active.delete(this.path);
  }

  /** Removes a run that never began, and the name's folder if it was the only one. */
  async remove(): Promise<void> {
    this.release();
    await rm(this.path, { recursive: true, force: true });
    await rmdir(dirname(this.path)).catch(() => undefined);
  }

  /** `<runs>/<name>/latest` leads to this run. File systems without links do without. */
  async becomeLatest(): Promise<void> {
    const link = join(dirname(this.path), 'latest');
    const temporary = join(dirname(this.path), `${TEMPORARY_PREFIX}latest-${randomBytes(4).toString('hex')}`);
    try {
      // Something else of that name is the user's: leave it.
      if ((await lstat(link).catch(() => undefined))?.isSymbolicLink() === false) return;
      await symlink(this.record.id, temporary);
      await rename(temporary, link);
    } catch {
      await unlink(temporary).catch(() => undefined);
    }
  }

  /**
   * `becomeLatest` for a run that begins: not yet where the latest one has a checkpoint and this one has none. It may fail
   * before its first step, and whoever reads `latest/checkpoints` would be left with nothing.
   */
  async beginAsLatest(): Promise<void> {
    const latest = join(dirname(this.path), 'latest', 'checkpoints');
    if ((await hasCheckpoint(this.checkpoints)) || !(await hasCheckpoint(latest))) await this.becomeLatest();
  }

  info(config: RunInfo['config']): RunInfo {
    return { name: this.record.name, id: this.record.id, folder: this.path, config };
  }

  async update(changes: Partial<RunRecord>): Promise<void> {
    Object.assign(this.record, changes, { updatedAt: new Date().toISOString() });
    await replaceJson(join(this.path, 'run.json'), this.record);
  }

  config(): Promise<Record<string, unknown>> {
    return readJsonObject(join(this.path, 'config.json'));
  }

  async writeConfig(config: object): Promise<void> {
    await replaceJson(join(this.path, 'config.json'), config);
  }

  /** What evaluations.json holds. Throws CheckpointError when it holds something else. */
  async evaluations(): Promise<EvaluationRecord[]> {
    const text = await readFile(this.evaluationsFile, 'utf8').catch(() => '[]');
    try {
      const records: unknown = JSON.parse(text);
      if (Array.isArray(records)) return records as EvaluationRecord[];
    } catch {
      // Told below, in the same words as a value of another kind.
    }
    throw new CheckpointError(`${this.evaluationsFile} does not hold a JSON list.`, { code: 'run.evaluations' });
  }

  async writeEvaluations(records: readonly EvaluationRecord[]): Promise<void> {
    await replaceJson(this.evaluationsFile, records);
  }
}

async function hasCheckpoint(checkpoints: string): Promise<boolean> {
  return (await listSnapshots(checkpoints).catch(() => [])).length > 0;
}

async function firstWithCheckpoint(folders: readonly RunFolder[]): Promise<RunFolder | undefined> {
  for (const folder of folders) if (await hasCheckpoint(folder.checkpoints)) return folder;
  return undefined;
}

function checkKind(folder: RunFolder, kind: RunRecord['kind']): RunFolder {
  if (folder.record.kind === kind) return folder;
  const [is, command] = kind === 'evaluation' ? ['trained', 'graft run'] : ['evaluated', 'graft evaluate'];
  throw new UsageError(`The run ${folder.path} ${is} a model.`, {
    code: 'run.kind',
    hint: `Go on with it by \`${command}\`.`,
  });
}

/** Ids in a name's folder, oldest first. Whatever has no run.json is not a run, or is one that is only just being made. */
async function listRuns(parent: string): Promise<string[]> {
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const complete = await Promise.all(
    folders.map((id) =>
      lstat(join(parent, id, 'run.json')).then(
        () => true,
        () => false,
      ),
    ),
  );
  return folders.filter((_, i) => complete[i]).sort();
}

function listed(ids: readonly string[]): string {
  if (ids.length === 0) return 'there are no runs';
  const shown = ids.slice(-LISTED_IDS).reverse();
  return `there ${ids.length === 1 ? 'is' : 'are'} ${shown.join(', ')}${ids.length > shown.length ? ` and ${ids.length - shown.length} older` : ''}`;
}

async function replaceJson(file: string, value: unknown): Promise<void> {
  await writeFileAtomically(file, (temporary) => writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`));
}
