import { listSnapshots } from '@graft/checkpoint';
import { UsageError } from '@graft/engine';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { nearest } from '../util/suggest';
import { RunFolder } from './folder';
import { listRuns, type RunRecord } from './record';

const LISTED_IDS = 12;

/** Possible targets of a path that names a run, or all runs of a name. */
const placesOf = (path: string): readonly string[] => [path, join(path, 'latest')];

/**
 * The folder of a run, or of the latest run in a name's folder; undefined if the path is neither. Accepts any readable
 * run, whatever its status.
 */
export async function findRunFolder(path: string): Promise<string | undefined> {
  for (const folder of placesOf(path)) {
    const isRun = await stat(join(folder, 'run.json')).then(
      (file) => file.isFile(),
      () => false,
    );
    if (isRun) return resolve(folder);
  }
  // File systems without links do not have "latest".
  const newest = (await listRuns(path)).filter(({ record }) => record !== undefined).pop();
  return newest && resolve(path, newest.id);
}

/**
 * The checkpoints of a run, or of the latest run in a name's folder, oldest first, and the folders in which it looked
 * for them. A copy of the checkpoints is enough: this reads nothing else of the run.
 */
export async function findCheckpoints(
  path: string,
): Promise<{ readonly places: readonly string[]; readonly found?: RunCheckpoints }> {
  const places = placesOf(path).map((folder) => join(folder, 'checkpoints'));
  for (const place of places) {
    const snapshots = await listSnapshots(place);
    if (snapshots.length > 0) return { places, found: { place, snapshots } };
  }
  return { places };
}

/** Where a run keeps its checkpoints, and those that are there. */
export interface RunCheckpoints {
  readonly place: string;
  readonly snapshots: Awaited<ReturnType<typeof listSnapshots>>;
}

/** Which run is to be resumed. */
export interface ResumeRequest {
  /** Folder of all runs. */
  readonly runs: string;
  readonly name: string;
  /** Default: the newest run that can resume. */
  readonly id?: string;
  /** A finished run can resume if it has fewer steps than this. Default 0: none can. */
  readonly steps?: number;
  /** Ignores runs of the other kind. */
  readonly kind?: RunRecord['kind'];
  /** Receives a sentence for each run whose record cannot be read. */
  readonly warn?: (sentence: string) => void;
}

/**
 * The run to resume: the one with `id`; without it, the newest unfinished one of the name that has a checkpoint, or
 * else the newest unfinished one, or else the newest that has fewer steps than `steps`. Throws UsageError listing the
 * existing runs.
 */
export async function findResumableRun({ runs, name, id, steps = 0, kind, warn }: ResumeRequest): Promise<RunFolder> {
  const parent = resolve(runs, name);
  if (id === '')
    throw new UsageError('The id of the run to resume is empty.', {
      code: 'run.empty-id',
      hint: 'Is a shell variable not set? Name a run, or leave the id out to continue the newest one.',
    });
  const known = await listRuns(parent);
  const ids = known.map((run) => run.id);
  if (id !== undefined) {
    if (ids.includes(id)) return checkKind(await RunFolder.open(join(parent, id)), kind);
    const guess = nearest(id, ids);
    throw new UsageError(
      `There is no run "${id}" in ${parent}; ${listed(ids)}${guess ? `; did you mean "${guess}"?` : '.'}`,
      { code: 'run.unknown' },
    );
  }
  const unreadable = known.filter(({ error }) => error !== undefined);
  for (const { error } of unreadable) warn?.(`${error!.message} It is left out.`);
  const newestFirst = known
    .flatMap(({ id: own, record }) =>
      record?.kind === kind && record ? [RunFolder.of(join(parent, own), record)] : [],
    )
    .reverse();
  const unfinished = newestFirst.filter(({ record }) => record.status !== 'finished');
  const found =
    (await firstWithCheckpoint(unfinished)) ??
    unfinished.at(0) ??
    newestFirst.find(({ record }) => record.steps < steps && record.stopped === undefined);
  if (found) return found;
  const readable = known.length > unreadable.length;
  throw new UsageError(
    readable
      ? `Nothing to resume: every run in ${parent} is finished; ${listed(ids)}.`
      : unreadable.length > 0
        ? `Nothing to resume: the record of no run in ${parent} can be read; ${listed(ids)}.`
        : `Nothing to resume: there is no run in ${parent}.`,
    {
      code: 'run.none',
      hint: hintWithoutResume(kind, newestFirst),
    },
  );
}

function hintWithoutResume(kind: RunRecord['kind'], folders: readonly RunFolder[]): string {
  if (kind === 'evaluation') return 'Start a new evaluation without --resume.';
  const stopped = folders.find(({ record }) => record.stopped !== undefined);
  const more = 'raise train.steps (or tokens, or epochs) to continue a finished one';
  if (!stopped) return `Start a new run without --resume, or ${more}.`;
  return `Start a new run without --resume, or ${more}; one that was stopped before its last step continues by its id, --resume ${stopped.record.id}.`;
}

async function firstWithCheckpoint(folders: readonly RunFolder[]): Promise<RunFolder | undefined> {
  for (const folder of folders) if (await folder.hasCheckpoint()) return folder;
  return undefined;
}

function checkKind(folder: RunFolder, kind: RunRecord['kind']): RunFolder {
  if (folder.record.kind === kind) return folder;
  const [is, command] = kind === 'evaluation' ? ['trained', 'graft run'] : ['evaluated', 'graft evaluate'];
  throw new UsageError(`The run ${folder.path} ${is} a model.`, {
    code: 'run.kind',
    hint: `Continue it with \`${command}\`.`,
  });
}

function listed(ids: readonly string[]): string {
  if (ids.length === 0) return 'there are no runs';
  const shown = ids.slice(-LISTED_IDS).reverse();
  return `there ${ids.length === 1 ? 'is' : 'are'} ${shown.join(', ')}${ids.length > shown.length ? ` and ${ids.length - shown.length} older` : ''}`;
}
