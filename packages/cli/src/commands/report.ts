import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import type { CommandContext } from '../context';

export function addReportCommand(program: Command, context: CommandContext): void {
  program
    .command('report')
    .description('write one HTML page about runs: curves, evaluations, configs; prints its path')
    .argument('<runs...>', "run folders, or names' folders (their latest runs)")
    .option('--out <file>', "default: report.html, in the run's folder where it is one run, else here")
    .action(async (runs: string[], { out }: { out?: string }) => {
      const { readRun, writeReport } = await import('@graft/report');
      const file = resolve(
        out ?? (runs.length === 1 ? join((await readRun(runs[0])).folder, 'report.html') : 'report.html'),
      );
      await writeReport(runs, file);
      context.print(file);
    });
}
