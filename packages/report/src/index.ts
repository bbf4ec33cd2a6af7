/**
 * Makes one self-contained HTML page from run folders: the runs, their evaluations side by side, their curves, and the
 * differences of their configs. It reads only run folders; `graft report` is a thin wrapper.
 *
 *     import { writeReport } from '@graft/report';
 *     await writeReport(['runs/adapted/latest', 'runs/scratch/latest'], 'report.html');
 *
 * `watchReport` serves the same page while the runs continue.
 */
import { outputFile, writeFileAtomically } from '@graft/checkpoint/internal';
import { GraftError, UsageError } from '@graft/core';
import { open, writeFile } from 'node:fs/promises';
import { GENERATOR, renderReport } from './page';
import { readRun, type RunData } from './read-run';

export { renderReport, type PageOptions } from './page';
export { betterOf } from './metrics';
export { findRun, readRun, type RunData, type Series } from './read-run';
export type { AnsweredRow } from './rows/read-rows';
export { findRuns, runNumbers } from './run-numbers';
export { watchReport, type WatchOptions } from './watch/watch-report';

/** Options of `writeReport`. */
export interface ReportOptions {
  /** Whether to overwrite any existing file. Default: only a page that a report wrote. */
  readonly force?: boolean;
}

/** What `writeReport` could not show. */
export interface WrittenReport {
  /** A sentence for each run that the page omits because its files cannot be read. */
  readonly leftOut: readonly string[];
}

/** The first bytes of a page, enough to contain its generator tag. */
const HEAD_BYTES = 1024;

/**
 * Writes the page about some runs. Omits a run with damaged files and keeps the others. Before writing, throws
 * UsageError for a folder that is not a run's and for a file that a report did not write, and GraftError if no run can
 * be read.
 */
export async function writeReport(
  runFolders: readonly string[],
  outFile: string,
  { force }: ReportOptions = {},
): Promise<WrittenReport> {
  if (runFolders.length === 0) throw new UsageError('A report is about one run at least.', { code: 'report.no-run' });
  const target = await outputFile(outFile, { command: 'graft report', isOwn: isReport, force });
  const runs: RunData[] = [];
  const problems: GraftError[] = [];
  for (const folder of runFolders) {
    try {
      runs.push(await readRun(folder));
    } catch (error) {
      if (!(error instanceof GraftError) || error instanceof UsageError) throw error;
      problems.push(error);
    }
  }
  if (runs.length === 0) throw problems[0];
  const leftOut = problems.map(({ message }) => message);
  const page = renderReport(runs, leftOut);
  await writeFileAtomically(target, (temporary) => writeFile(temporary, page));
  return { leftOut };
}

async function isReport(file: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead).includes(`<meta name="generator" content="${GENERATOR}">`);
  } finally {
    await handle.close();
  }
}
