/**
 * One self-contained HTML page out of run folders: what the runs are, their evaluations side by side, their curves, and how
 * their configs differ. It reads run folders and nothing else; `graft report` is a few lines around it.
 *
 *     import { writeReport } from '@graft/report';
 *     await writeReport(['runs/adapted/latest', 'runs/scratch/latest'], 'report.html');
 */
import { writeFileAtomically } from '@graft/checkpoint';
import { UsageError } from '@graft/core';
import { writeFile } from 'node:fs/promises';
import { renderReport } from './page';
import { readRun } from './read-run';

export { renderReport } from './page';
export { readRun, type RunData, type Series } from './read-run';

/** Writes the page about some runs. Throws UsageError for a folder that is no run, before anything is written. */
export async function writeReport(runFolders: readonly string[], outFile: string): Promise<void> {
  if (runFolders.length === 0) throw new UsageError('A report is about one run at least.', { code: 'report.no-run' });
  const runs = await Promise.all(runFolders.map((folder) => readRun(folder)));
  const page = renderReport(runs);
  await writeFileAtomically(outFile, (temporary) => writeFile(temporary, page));
}
