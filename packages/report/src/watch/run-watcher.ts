/** Reads runs again when their files have changed. */
import { GraftError } from '@graft/core';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { findRun, readRun, type RunData } from '../read-run';

/** The files of a run that a report shows. */
const FILES = ['run.json', 'config.json', 'metrics.jsonl', 'evaluations.json'];

export interface WatchedRuns {
  readonly runs: readonly RunData[];
  /** A sentence for each run that cannot be read. */
  readonly leftOut: readonly string[];
}

interface Known {
  /** What the run's files were like when it was read. */
  readonly signature: string;
  /** The last good reading. */
  readonly run?: RunData;
  readonly problem?: string;
}

/** The runs in some folders, as they are now. */
export class RunWatcher {
  private readonly known = new Map<string, Known>();

  /** @param paths folders of runs, or of names: of these, always the latest run. */
  constructor(private readonly paths: readonly string[]) {}

  /** What was read last. */
  get state(): WatchedRuns {
    const all = this.paths.map((path) => this.known.get(path));
    return {
      runs: all.flatMap((one) => one?.run ?? []),
      leftOut: all.flatMap((one) => one?.problem ?? []),
    };
  }

  /**
   * Reads what has changed; resolves to whether anything has. A run that cannot be read keeps its last good state and is
   * named. Rejects only with what is not a GraftError.
   */
  async refresh(): Promise<boolean> {
    let hasChanged = false;
    for (const path of this.paths) {
      const before = this.known.get(path);
      const signature = await signatureOf(path);
      if (before?.signature === signature) continue;
      hasChanged = true;
      try {
        this.known.set(path, { signature, run: await readRun(path) });
      } catch (error) {
        if (!(error instanceof GraftError)) throw error;
        this.known.set(path, { signature, run: before?.run, problem: error.message });
      }
    }
    return hasChanged;
  }
}

/** Differs when another run has become the latest, or when one of its files was written. */
async function signatureOf(path: string): Promise<string> {
  const folder = await findRun(path).catch(() => undefined);
  if (folder === undefined) return 'none';
  const files = FILES.map((name) =>
    stat(join(folder, name), { bigint: true }).then(
      ({ size, mtimeNs, ino }) => `${size}:${mtimeNs}:${ino}`,
      () => '-',
    ),
  );
  return [folder, ...(await Promise.all(files))].join(' ');
}
