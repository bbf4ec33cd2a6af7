import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import type { CommandContext } from './shared/context';
import { forceOption } from './shared/options';

export function addReportCommand(program: Command, context: CommandContext): void {
  program
    .command('report')
    .description('write one HTML page about runs: curves, evaluations, differences between configs; prints its path')
    .argument('<runs...>', 'folders of runs, or folders of names (their latest runs)')
    .option(
      '--out <file>',
      'the page to write (default: report.html, in the folder of a single run, otherwise in this folder)',
    )
    .addOption(forceOption())
    .action(async (runs: string[], { out, force }: { out?: string; force?: boolean }) => {
      const { findRun, writeReport } = await import('@graft/report');
      const file = resolve(out ?? (runs.length === 1 ? join(await findRun(runs[0]), 'report.html') : 'report.html'));
      const { leftOut } = await writeReport(runs, file, { force });
      for (const sentence of leftOut) context.note(`Left out: ${sentence}`);
      if (leftOut.length > 0) context.exitCode = 1;
      context.print(file);
    });
}
