import { UsageError } from '@graft/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderReport, renderSections } from '../page';
import { findRun } from '../read-run';
import { ReportServer } from './report-server';
import { RunWatcher, type WatchedRuns } from './run-watcher';

/** Options of `watchReport`. */
export interface WatchOptions {
  /** Aborting it stops the server. */
  readonly signal: AbortSignal;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Called with the address once the page can be opened. */
  readonly onReady?: (address: string) => void;
  /** Called with a sentence when a run can no longer be read. */
  readonly onProblem?: (sentence: string) => void;
  /** Seconds between two checks of the files. Default: 1, or longer if reading the runs takes long. */
  readonly everySeconds?: number;
}

/** Maximum share of the time spent checking and reading, so that the report does not slow down a running training. */
const BUSY_SHARE = 0.1;

/**
 * Serves the page about some runs on the loopback address (127.0.0.1) and keeps open pages up to date while the runs
 * continue. For the folder of a name, it always shows the latest run. The page lists runs that cannot be read until
 * they can. Resolves when `signal` is aborted. Throws UsageError for a folder that is not a run's, and GraftError if
 * the port is in use.
 */
export async function watchReport(runFolders: readonly string[], options: WatchOptions): Promise<void> {
  const { signal, port = 0, onReady, onProblem, everySeconds = 1 } = options;
  if (runFolders.length === 0) throw new UsageError('A report is about one run at least.', { code: 'report.no-run' });
  for (const folder of runFolders) await findRun(folder);
  const watcher = new RunWatcher(runFolders);
  let reported = new Set<string>();
  const reportProblems = ({ leftOut }: WatchedRuns): void => {
    for (const sentence of leftOut) if (!reported.has(sentence)) onProblem?.(sentence);
    reported = new Set(leftOut);
  };
  await watcher.refresh();
  reportProblems(watcher.state);
  /** Cached, because several pages, or a reloaded page, receive the same text. */
  let update: string | undefined;
  const server = await ReportServer.start(port, {
    page: () => renderReport(watcher.state.runs, watcher.state.leftOut, { live: true }),
    update: () => (update ??= JSON.stringify(renderSections(watcher.state.runs, watcher.state.leftOut))),
  });
  try {
    onReady?.(server.address);
    while (!signal.aborted) {
      const began = performance.now();
      if (await watcher.refresh()) {
        update = undefined;
        reportProblems(watcher.state);
        server.announce();
      }
      const spent = performance.now() - began;
      await sleep(Math.max(everySeconds * 1000, spent / BUSY_SHARE), undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await server.close();
  }
}
