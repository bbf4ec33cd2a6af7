import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { join, resolve } from 'node:path';
import { CommandLineError } from '../output/command-line-error';
import type { CommandContext } from './shared/context';
import { forceOption, integer } from './shared/options';
import { INTERRUPTED } from './shared/runnable';

interface ReportCommandOptions {
  readonly out?: string;
  readonly force?: boolean;
  readonly watch?: boolean;
  readonly port?: number;
}

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
    .option('--watch', 'serve the page to this machine instead, live while the runs continue; prints its address')
    .addOption(new Option('--port <number>', 'with --watch: the port (default: any free one)').argParser(portNumber))
    .addHelpText('after', '\nWith --watch, Ctrl-C stops the server with status 130.')
    .action((runs: string[], options: ReportCommandOptions) => {
      checkOptions(options);
      return options.watch ? serve(runs, options, context) : write(runs, options, context);
    });
}

const LARGEST_PORT = 65535;

function portNumber(text: string): number {
  const port = integer(0)(text);
  if (port > LARGEST_PORT) throw new InvalidArgumentError(`Expected a port: at most ${LARGEST_PORT}.`);
  return port;
}

function checkOptions({ watch, port, out, force }: ReportCommandOptions): void {
  if (!watch && port !== undefined) throw new CommandLineError('--port belongs to --watch, which serves the page.');
  if (watch && (out !== undefined || force))
    throw new CommandLineError('--watch writes no file: leave out --out and --force.');
}

async function write(runs: string[], { out, force }: ReportCommandOptions, context: CommandContext): Promise<void> {
  const { findRun, writeReport } = await import('@graft/report');
  const file = resolve(out ?? (runs.length === 1 ? join(await findRun(runs[0]), 'report.html') : 'report.html'));
  const { leftOut } = await writeReport(runs, file, { force });
  for (const sentence of leftOut) context.note(`Left out: ${sentence}`);
  if (leftOut.length > 0) context.exitCode = 1;
  context.print(file);
}

async function serve(runs: string[], { port }: ReportCommandOptions, context: CommandContext): Promise<void> {
  const { watchReport } = await import('@graft/report');
  const { withInterrupt } = await import('@graft/core');
  await withInterrupt((signal) =>
    watchReport(runs, {
      signal,
      port,
      onReady: (address) => {
        context.print(address);
        context.note('Open this address on this machine. Ctrl-C stops the server.');
      },
      onProblem: (sentence) => context.note(`Left out: ${sentence}`),
    }),
  );
  context.exitCode = INTERRUPTED;
}
