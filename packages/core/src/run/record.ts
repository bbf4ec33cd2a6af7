import { readJsonObject, type ProcessIdentity } from '@graft/checkpoint/internal';
import { CheckpointError } from '@graft/engine';
import { shortened } from '@graft/engine/internal';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { plainIssue } from '../data/field-problem';
import type { SpecialTokensSection } from '../config/schema';

export type RunStatus = 'running' | 'finished' | 'interrupted' | 'failed';

/** run.json: what became of the run. */
export interface RunRecord {
  name: string;
  id: string;
  /**
   * Which run of its name it is: one more than the highest of those beside it when it was made, so that the newest is known
   * whatever the clock said. Runs that were made at the same time may share one. Absent in older runs, which are older.
   */
  sequence?: number;
  /** Absent in runs that train. */
  kind?: 'evaluation';
  /** A run that was killed stays `running`; its process is gone. */
  status: RunStatus;
  createdAt: string;
  updatedAt: string;
  /** Steps done when the status was written. */
  steps: number;
  /** Of an evaluation: the step of the checkpoint that it evaluates. Absent if the model is not a checkpoint of a run. */
  checkpointStep?: number;
  /** Parameters of the model. */
  parameters?: number;
  /** Which special tokens stand around what the model reads: `auto` resolved. Absent in runs from before there was such a policy. */
  specialTokens?: SpecialTokensSection;
  /** Processes that trained it together, where there were several. */
  workers?: number;
  /** One line on what executed it. */
  engine?: string;
  versions?: Readonly<Record<string, string>>;
  /** Where a callback ended the training before its last step: which, and why. */
  stopped?: string;
  /** The sentence that ended a failed run. */
  error?: string;
  /** Who works on it, or did last. Whether it still does is said by the folder's lock. */
  process?: ProcessIdentity;
}

/** No run.json that Graft writes is longer: the error of a failed run is a sentence. */
const MAX_BYTES = 1 << 20;

const count = z.number().int().nonnegative();
/** Keys that it does not know may come from a newer Graft, and stay as they are. */
const SCHEMA = z.looseObject({
  name: z.string(),
  id: z.string(),
  sequence: count.optional(),
  kind: z.literal('evaluation').optional(),
  status: z.enum(['running', 'finished', 'interrupted', 'failed']),
  createdAt: z.string(),
  updatedAt: z.string(),
  steps: count,
  checkpointStep: count.optional(),
  parameters: count.optional(),
  specialTokens: z.record(z.string(), z.unknown()).optional(),
  workers: count.optional(),
  engine: z.string().optional(),
  versions: z.record(z.string(), z.string()).optional(),
  stopped: z.string().optional(),
  error: z.string().optional(),
  process: z
    .looseObject({
      pid: z.number().int().positive(),
      host: z.string(),
      started: z.string().optional(),
      namespace: z.string().optional(),
    })
    .optional(),
});

/** What a run's run.json says. Throws CheckpointError, which names the file, for anything that is not a run's record. */
export async function readRunRecord(folder: string): Promise<RunRecord> {
  const file = join(folder, 'run.json');
  const unfit = (problem: string): CheckpointError =>
    new CheckpointError(`${file} is not the record of a run: ${problem}.`, {
      code: 'run.record',
      hint: 'Put the file back from a copy, or move the folder elsewhere.',
    });
  const parsed = SCHEMA.safeParse(await readJsonObject(file, { maxBytes: MAX_BYTES }));
  if (parsed.success) return parsed.data as unknown as RunRecord;
  const { path, message } = parsed.error.issues[0];
  throw unfit(`"${shortened(path.map(String).join('.'), 60)}": ${shortened(plainIssue(message), 120)}`);
}

/** A run's folder in that of its name, with its record, or the error that tells why it cannot be read. */
export interface ListedRun {
  readonly id: string;
  readonly record?: RunRecord;
  readonly error?: Error;
}

/** The runs of a name, oldest first. Whatever has no run.json is not a run, or is one that is only just being made. */
export async function listRuns(parent: string): Promise<ListedRun[]> {
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  const ids = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const runs: ListedRun[] = [];
  for (const id of ids) {
    const there = await lstat(join(parent, id, 'run.json')).catch(() => undefined);
    if (!there) continue;
    try {
      runs.push({ id, record: await readRunRecord(join(parent, id)) });
    } catch (error) {
      runs.push({ id, error: error as Error });
    }
  }
  return runs.sort(byAge);
}

/** By sequence, since the clock may have gone back. Ids, which are made of the time, decide between equals. */
function byAge(a: ListedRun, b: ListedRun): number {
  return (a.record?.sequence ?? 0) - (b.record?.sequence ?? 0) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** For the next run of a name. */
export async function nextSequence(parent: string): Promise<number> {
  const known = (await listRuns(parent)).map(({ record }) => record?.sequence ?? 0);
  // A record that claims the largest of all must not keep others from coming after it in silence.
  return Math.min(Math.max(0, ...known) + 1, Number.MAX_SAFE_INTEGER);
}
