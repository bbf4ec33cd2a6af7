import { readJsonObject, type ProcessIdentity } from '@graft/checkpoint/internal';
import { CheckpointError } from '@graft/engine';
import { shortened } from '@graft/errors';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { plainIssue } from '../data/field-problem';
import type { BestCheckpoint } from '../training/run-sink';
import type { SpecialTokensSection } from '../config/schema';

/** How a run goes or went, as in run.json. */
export type RunStatus = 'running' | 'finished' | 'interrupted' | 'failed';

/** run.json: the status of the run. */
export interface RunRecord {
  name: string;
  id: string;
  /**
   * Position among the runs of its name: one more than the highest of the existing ones when the run was created, so
   * that the newest is known whatever the clock showed. Runs that were created at the same time may share one. Absent
   * in older runs, which are older.
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
  /**
   * In an evaluation: the step of the checkpoint that it evaluates. Absent if the model is not a checkpoint of a run.
   */
  checkpointStep?: number;
  /** Number of parameters of the model. */
  parameters?: number;
  /**
   * Which special tokens surround the model's input: `auto` resolved. Absent in runs from before this policy existed.
   */
  specialTokens?: SpecialTokensSection;
  /** Number of processes that trained it together, if there were several. */
  workers?: number;
  /** One line about the engine that executed it. */
  engine?: string;
  versions?: Readonly<Record<string, string>>;
  /** The best of its checkpoints, by `train.keepBest`. */
  best?: BestCheckpoint;
  /** If a callback or `train.stopWhen` ended the training before its last step: which one, and why. */
  stopped?: string;
  /** The error message of a failed run. */
  error?: string;
  /** The process that works on it, or did last. The folder's lock shows whether it still does. */
  process?: ProcessIdentity;
}

/** Graft writes no longer run.json: the error of a failed run is a sentence. */
const MAX_BYTES = 1 << 20;

const count = z.number().int().nonnegative();
/** Unknown keys may come from a newer Graft, and stay unchanged. */
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
  // A value that is not finite is null in JSON.
  best: z.looseObject({ step: count, metric: z.string(), value: z.number().nullable() }).optional(),
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

/**
 * The contents of a run's run.json. Throws CheckpointError, which names the file, for anything that is not a run's
 * record.
 */
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

/** A run's folder in that of its name, with its record, or the error that explains why it cannot be read. */
export interface ListedRun {
  readonly id: string;
  readonly record?: RunRecord;
  readonly error?: Error;
}

/** The runs of a name, oldest first. A folder without run.json is not a run, or another process is just creating it. */
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

/** By sequence, since the clock may have gone back. Ids, which contain the time, decide between equals. */
function byAge(a: ListedRun, b: ListedRun): number {
  return (a.record?.sequence ?? 0) - (b.record?.sequence ?? 0) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** The sequence of the next run of a name. */
export async function nextSequence(parent: string): Promise<number> {
  const known = (await listRuns(parent)).map(({ record }) => record?.sequence ?? 0);
  // A record with the largest possible number must not silently keep others from coming after it.
  return Math.min(Math.max(0, ...known) + 1, Number.MAX_SAFE_INTEGER);
}
