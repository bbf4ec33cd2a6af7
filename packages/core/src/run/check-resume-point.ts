import { listSnapshots, verifySnapshot } from '@graft/checkpoint';
import { checkSnapshot, isThere, syncFolder, withoutDigests } from '@graft/checkpoint/internal';
import { CheckpointError, GraftError } from '@graft/engine';
import { rename } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { TrainingConfig } from '../config';
import type { Logger } from '../util/logger';
import { withWayOut } from './snapshots';
import { readTrainerState, type Expected } from './trainer-state';
import type { RunFolder } from './folder';
import { checkLines, countLines } from './metrics';

type Say = (text: string) => void;

/**
 * Suffixes for checkpoints from which a run cannot resume: a renamed checkpoint no longer counts as one of the run's.
 */
const DAMAGED = '.damaged';
/** The checkpoint is complete, but the rest of the run does not reach its step. */
const UNUSED = '.unused';

/**
 * Checks, before anything in a run changes, that it can resume: its newest checkpoint must match the folder's name, the
 * config, run.json and metrics.jsonl. Throws CheckpointError naming the mismatch and the older checkpoint from which to
 * resume. Reading the tensors checks them later.
 */
export async function checkResumePoint(folder: RunFolder, config: TrainingConfig, logger: Logger): Promise<void> {
  const { expected, say } = expectations(config, logger);
  const newest = (await listSnapshots(folder.checkpoints)).pop();
  if (!newest) return refuseToStartOver(folder);
  try {
    const manifest = await checkSnapshot(newest.folder);
    await readTrainerState(newest.folder, expected, manifest);
    await checkLines(folder.metricsFile, newest.step);
    if (folder.record.steps > newest.step) throw lost(folder, newest.folder);
    if (!manifest.hasDigests) say(withoutDigests(newest.folder));
  } catch (error) {
    throw await withWayOut(error, newest.folder);
  }
}

/**
 * Finds the newest checkpoint that is complete, to the last byte, and from which the run can resume. Renames newer
 * ones. Logs what it skipped, and why. Throws CheckpointError, changing nothing, if there is none.
 */
export async function goBackToLastGood(folder: RunFolder, config: TrainingConfig, logger: Logger): Promise<void> {
  const { expected, say } = expectations(config, logger);
  const newestFirst = (await listSnapshots(folder.checkpoints)).reverse();
  if (newestFirst.length === 0) return refuseToStartOver(folder);
  const skipped: Skipped[] = [];
  for (const { folder: snapshot, step } of newestFirst) {
    let ending = DAMAGED;
    try {
      const manifest = await verifySnapshot(snapshot);
      await readTrainerState(snapshot, expected, manifest);
      ending = UNUSED;
      await checkLines(folder.metricsFile, step);
      for (const other of skipped) await setAside(other, say);
      await keepSteps(folder, step, say);
      say(manifest.hasDigests ? `Every byte of ${snapshot} is as it was written.` : withoutDigests(snapshot));
      return;
    } catch (error) {
      if (!(error instanceof GraftError)) throw error;
      skipped.push({ folder: snapshot, reason: error.message, ending });
    }
  }
  throw new CheckpointError(
    `The run ${folder.path} has no checkpoint from which it could continue: ${skipped.map(({ reason }) => reason.replace(/\.$/, '')).join('; ')}.`,
    { code: 'run.no-good-checkpoint', hint: 'Put what was lost back, or start a new run.' },
  );
}

const expectations = ({ seed, train }: TrainingConfig, logger: Logger): { expected: Expected; say: Say } => ({
  expected: { seed, steps: train.steps },
  // The user sees the cost of a damaged checkpoint even with --quiet.
  say: (text) => logger.warn(text),
});

function lost(folder: RunFolder, newest: string): CheckpointError {
  const { steps } = folder.record;
  return new CheckpointError(
    `The checkpoint after step ${steps}, which run.json counts, no longer exists: the newest one is ${newest}.`,
    { code: 'run.checkpoint-lost' },
  );
}

/** Keeps a run that had a checkpoint from starting at step 1 and overwriting its results. Throws CheckpointError. */
async function refuseToStartOver(folder: RunFolder): Promise<void> {
  const { record, path } = folder;
  const lines = await countLines(folder.metricsFile);
  const { train } = (await folder.config()) as { train?: { checkpointEvery?: unknown } };
  const every = Number(train?.checkpointEvery ?? 0);
  // The run writes a checkpoint before it does the next step.
  const had = record.steps > 0 || (every > 0 && lines > every);
  if (!had) return;
  const evidence = record.steps > 0 ? `run.json counts ${record.steps} steps` : `metrics.jsonl has ${lines} steps`;
  throw new CheckpointError(`The run ${path} lost its checkpoints, and would start over: ${evidence}.`, {
    code: 'run.checkpoint-lost',
    hint: 'Put the checkpoints back, or start a new run.',
  });
}

interface Skipped {
  readonly folder: string;
  readonly reason: string;
  /** The suffix of its new name. */
  readonly ending: string;
}

/** Renames a checkpoint so that it no longer counts as one. */
async function setAside({ folder: snapshot, reason, ending }: Skipped, say: Say): Promise<void> {
  let name = `${snapshot}${ending}`;
  for (let more = 2; await isThere(name); more++) name = `${snapshot}${ending}-${more}`;
  await rename(snapshot, name);
  await syncFolder(dirname(snapshot));
  say(`Skipped ${basename(snapshot)}: ${reason} It is called ${basename(name)} now; remove it when you like.`);
}

/** The run repeats the steps after this one. */
async function keepSteps(folder: RunFolder, step: number, say: Say): Promise<void> {
  const lines = await countLines(folder.metricsFile);
  const again = lines === step + 1 ? `Step ${lines} is` : `Steps ${step + 1} to ${lines} are`;
  if (lines > step) say(`${again} done again; metrics.jsonl keeps the ${step} before.`);
  if (folder.record.steps > step) await folder.update({ steps: step });
}
