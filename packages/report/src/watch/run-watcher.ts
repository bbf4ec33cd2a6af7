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
  /** The state of the run's files when it was read. */
  readonly signature: string;
  /** The result of the last successful read. */
  readonly run?: RunData;
  readonly problem?: string;
}

/** The current state of the runs in some folders. */
export class RunWatcher {
  private readonly known = new Map<string, Known>();

  /** @param paths folders of runs, or of names: for a name, always its latest run. */
  constructor(private readonly paths: readonly string[]) {}

  /** The result of the last `refresh`. */
  get state(): WatchedRuns {
    const all = this.paths.map((path) => this.known.get(path));
    return {
      runs: all.flatMap((one) => one?.run ?? []),
      leftOut: all.flatMap((one) => one?.problem ?? []),
    };
  }

  /**
   * Reads the runs that have changed; resolves to whether any has. A run that cannot be read keeps its last good state
   * and is listed in `leftOut`. Rejects only with errors other than GraftError.
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

/** Changes when another run becomes the latest, or when one of its files is written. */
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
