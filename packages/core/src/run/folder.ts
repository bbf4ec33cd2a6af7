import { readJsonObject, writeJson } from '@graft/checkpoint';
import { GraftError, UsageError } from '@graft/engine';
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunInfo } from '../interfaces';
import { nearest } from '../suggest';

export type RunStatus = 'running' | 'finished' | 'interrupted' | 'failed';

/** run.json: what the run is, beside its config. */
export interface RunRecord {
  name: string;
  id: string;
  status: RunStatus;
  createdAt: string;
  updatedAt: string;
  steps: number;
  /** One line on what executed it. */
  engine?: string;
  /** The sentence that ended a failed run. */
  error?: string;
}

/** One evaluation in evaluations.json. */
export interface EvaluationRecord {
  readonly step: number;
  readonly evaluator: string;
  readonly metrics: Readonly<Record<string, number>>;
}

/** `20261123-140501-9f3a`: sorts by time; the suffix tells runs of one second apart. */
function newRunId(): string {
  const [day, time] = new Date().toISOString().split('T');
  return `${day.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}-${randomBytes(2).toString('hex')}`;
}

/** `<runs>/<name>/<id>/`: everything that a run leaves, and everything that other tools read. */
export class RunFolder {
  private constructor(
    readonly path: string,
    readonly record: RunRecord,
  ) {}

  static async create(runs: string, name: string, config: object): Promise<RunFolder> {
    for (;;) {
      const id = newRunId();
      const path = join(runs, name, id);
      await mkdir(join(runs, name), { recursive: true }).catch((cause: unknown) => {
        throw new GraftError(`The run folder ${path} cannot be made: ${(cause as Error).message}.`, { code: 'run.folder', cause });
      });
      try {
        // Not recursive: a folder that is there already belongs to another run.
        await mkdir(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
        throw error;
      }
      const now = new Date().toISOString();
      const folder = new RunFolder(path, { name, id, status: 'running', createdAt: now, updatedAt: now, steps: 0 });
      await writeJson(join(path, 'config.json'), config);
      await folder.save();
      await pointLatest(join(runs, name), id);
      return folder;
    }
  }

  /** A run by id, or the newest unfinished one of that name. Throws UsageError listing what there is. */
  static async find(runs: string, name: string, id?: string): Promise<RunFolder> {
    const parent = join(runs, name);
    const ids = (await readdir(parent, { withFileTypes: true }).catch(() => []))
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
    if (id !== undefined) {
      if (ids.includes(id)) return RunFolder.open(join(parent, id));
      const guess = nearest(id, ids);
      throw new UsageError(
        `There is no run "${id}" in ${parent}${ids.length > 0 ? `; there ${ids.length === 1 ? 'is' : 'are'} ${ids.join(', ')}` : ''}${guess ? `; did you mean "${guess}"?` : '.'}`,
        { code: 'run.unknown' },
      );
    }
    for (const candidate of ids.reverse()) {
      const folder = await RunFolder.open(join(parent, candidate)).catch(() => undefined);
      if (folder && folder.record.status !== 'finished') return folder;
    }
    throw new UsageError(
      ids.length === 0
        ? `Nothing to resume: there is no run of "${name}" in ${runs}.`
        : `Nothing to resume: every run in ${parent} is finished. Name one to go on with it: --resume ${ids[0]}.`,
      { code: 'run.none' },
    );
  }

  static async open(path: string): Promise<RunFolder> {
    return new RunFolder(path, (await readJsonObject(join(path, 'run.json'))) as unknown as RunRecord);
  }

  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  get metricsFile(): string {
    return join(this.path, 'metrics.jsonl');
  }

  info(config: RunInfo['config']): RunInfo {
    return { name: this.record.name, id: this.record.id, folder: this.path, config };
  }

  async update(changes: Partial<RunRecord>): Promise<void> {
    Object.assign(this.record, changes, { updatedAt: new Date().toISOString() });
    await this.save();
  }

  config(): Promise<Record<string, unknown>> {
    return readJsonObject(join(this.path, 'config.json'));
  }

  async evaluations(): Promise<EvaluationRecord[]> {
    const text = await readFile(join(this.path, 'evaluations.json'), 'utf8').catch(() => '[]');
    return JSON.parse(text) as EvaluationRecord[];
  }

  async writeEvaluations(records: readonly EvaluationRecord[]): Promise<void> {
    await replaceFile(join(this.path, 'evaluations.json'), `${JSON.stringify(records, null, 2)}\n`);
  }

  private async save(): Promise<void> {
    await replaceFile(join(this.path, 'run.json'), `${JSON.stringify(this.record, null, 2)}\n`);
  }
}

async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.tmp`, text);
  await rename(`${file}.tmp`, file);
}

/** `<runs>/<name>/latest` leads to the newest run. File systems without links do without. */
async function pointLatest(parent: string, id: string): Promise<void> {
  const link = join(parent, 'latest');
  const temporary = join(parent, `.latest-${randomBytes(4).toString('hex')}`);
  try {
    // Something else of that name is the user's: leave it.
    if ((await lstat(link).catch(() => undefined))?.isSymbolicLink() === false) return;
    await symlink(id, temporary);
    await rename(temporary, link);
  } catch {
    await unlink(temporary).catch(() => undefined);
  }
}
