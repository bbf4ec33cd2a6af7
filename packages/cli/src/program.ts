import { redact } from '@graft/core/redact';
import { Command, CommanderError } from 'commander';
import { addAdaptCommand } from './commands/adapt';
import { addAverageCommand } from './commands/average';
import { addConfigCommand } from './commands/config';
import { addDataCommand } from './commands/data';
import { addDoctorCommand } from './commands/doctor';
import { addClassifyCommand } from './commands/classify';
import { addEmbedCommand } from './commands/embed';
import { addEngineCommand } from './commands/engine';
import { addEvaluateCommand } from './commands/evaluate';
import { addExportCommand } from './commands/export';
import { addForwardCommand } from './commands/forward';
import { addGenerateCommand } from './commands/generate';
import { addImportCommand } from './commands/import';
import { addInspectCommand } from './commands/inspect';
import { addMergeCommand } from './commands/merge';
import { addModelCommand } from './commands/model';
import { addPluginCommand } from './commands/plugin-new';
import { addPluginsCommand } from './commands/plugins';
import { addReportCommand } from './commands/report';
import { addRunCommand } from './commands/run';
import { addRunsCommand } from './commands/runs';
import { addFindLearningRateCommand } from './commands/find-learning-rate';
import { addSweepCommand } from './commands/sweep';
import { addTeacherCommand } from './commands/teacher';
import { addTokenizerCommand } from './commands/tokenizer';
import { ownVersion } from './version';
import type { CommandContext } from './commands/shared/context';
import { refuseEmptyValues } from './commands/shared/empty-values';
import { INTERRUPTED } from './commands/shared/runnable';
import { isStartedByWorker0 } from './workers/local-workers';
import { describeError } from './output/report-error';

/** The output streams of the command; tests pass their own. */
export interface MainStreams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

const COMMANDS = [
  addRunCommand,
  addEvaluateCommand,
  addSweepCommand,
  addRunsCommand,
  addReportCommand,
  addAdaptCommand,
  addExportCommand,
  addAverageCommand,
  addMergeCommand,
  addImportCommand,
  addModelCommand,
  addForwardCommand,
  addGenerateCommand,
  addEmbedCommand,
  addClassifyCommand,
  addInspectCommand,
  addDataCommand,
  addFindLearningRateCommand,
  addTeacherCommand,
  addTokenizerCommand,
  addPluginsCommand,
  addPluginCommand,
  addConfigCommand,
  addDoctorCommand,
  addEngineCommand,
];

function createProgram(context: CommandContext, streams: MainStreams): Command {
  const program = new Command('graft')
    .description('Convert decoder-only Gemma checkpoints into encoder-decoders, train them and generate with them.')
    .version(ownVersion(), '--version', 'print the version')
    .option('--debug', 'print stacks with errors, and more log lines')
    .option('--quiet', 'print no progress and no log lines')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      writeErr: (text) => streams.stderr.write(redact(text)),
      outputError: (text, write) => write(text.replace(/^error: /, 'graft: ')),
    })
    .showHelpAfterError('`graft --help` lists the commands, `graft COMMAND --help` their options.')
    .exitOverride()
    .hook('preAction', async (root, command) => {
      context.globals = root.opts();
      refuseEmptyValues(command);
      const { announceConversions } = await import('@graft/checkpoint/internal');
      announceConversions((sentence) => context.note(sentence));
    });
  for (const add of COMMANDS) add(program, context);
  return program;
}

/** Runs one command line (`process.argv`) and returns its exit status: 0, 1 (failure), 2 (usage), 130 (interrupted). */
export async function main(argv: readonly string[], streams: MainStreams = process): Promise<number> {
  const isWorker = isStartedByWorker0();
  const namedCode = new Set<string>();
  const context: CommandContext = {
    globals: {},
    exitCode: 0,
    print: (text) => streams.stdout.write(`${text}\n`),
    write: (text) => streams.stdout.write(text),
    note: (text) => context.globals.quiet || streams.stderr.write(redact(`${text}\n`)),
    warn: (text) => streams.stderr.write(redact(`${text}\n`)),
    noteCode: ({ path, package: of }) => {
      // Worker 0 runs the same command.
      if (isWorker || namedCode.has(path)) return;
      namedCode.add(path);
      context.note(`Running code from ${path}${of === undefined ? '' : ` (package ${of})`}.`);
    },
  };
  try {
    await createProgram(context, streams).parseAsync([...argv]);
    return context.exitCode;
  } catch (error) {
    // commander has already printed its message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if ((error as { code?: unknown }).code === 'run.interrupted') {
      // The user knows why it stopped; what was interrupted is worth a line.
      context.note((error as Error).message);
      return INTERRUPTED;
    }
    const { text, exitCode } = describeError(error, context.globals.debug ?? false);
    streams.stderr.write(text);
    return exitCode;
  }
}
