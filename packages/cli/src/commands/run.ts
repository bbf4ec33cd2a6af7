import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { openLogger, type CommandContext } from '../context';
import { defaultPlugins } from '../default-plugins';
import { collect, engineOption } from '../options';
import type { EngineMode } from '@graft/engine';

interface RunCommandOptions {
  set?: string[];
  resume?: string | true;
  engine?: EngineMode;
}

const INTERRUPTED = 130;

export function addRunCommand(program: Command, context: CommandContext): void {
  program
    .command('run')
    .description('run an experiment, or go on with one; prints the folder of the run')
    .argument('[config]', 'yaml, json, ts or js; default: graft.config.* in this folder or above it')
    .option('--set <key=value>', 'override one key of the config, e.g. --set train.steps=100; may be repeated', collect)
    .option('--resume [id]', 'go on with the newest unfinished run of that name, or with the run of that id')
    .addOption(engineOption())
    .addHelpText(
      'after',
      '\nCtrl-C finishes the step, writes a checkpoint and stops with status 130; --resume goes on from there.',
    )
    .action(async (config: string | undefined, options: RunCommandOptions) => {
      await runConfig(context, ...resumeBeforeConfig(config, options));
    });
}

/** `graft run --resume config.yaml`: the parser takes the file for an id. */
function resumeBeforeConfig(
  config: string | undefined,
  options: RunCommandOptions,
): [string | undefined, RunCommandOptions] {
  if (config === undefined && typeof options.resume === 'string' && existsSync(options.resume)) {
    return [options.resume, { ...options, resume: true }];
  }
  return [config, options];
}

async function runConfig(context: CommandContext, file: string | undefined, options: RunCommandOptions): Promise<void> {
  const { loadConfig, runExperiment, withInterrupt } = await import('@graft/core');
  const loaded = await loadConfig({ file, overrides: options.set, plugins: defaultPlugins });
  const { config } = loaded;
  const engine = { ...config.engine, mode: options.engine ?? config.engine.mode };
  const logger = await openLogger(context);
  const result = await withInterrupt(
    (signal) =>
      runExperiment(
        { ...loaded, config: { ...config, engine } },
        { resume: options.resume, signal, logger, quiet: context.globals.quiet ?? false },
      ),
    () => context.note('Stopping after this step, with a checkpoint; once more ends at once.'),
  );
  if (result.status === 'interrupted') {
    context.note(`Stopped at step ${result.steps} of ${config.train.steps}; --resume ${result.id} goes on from there.`);
    context.exitCode = INTERRUPTED;
  }
  context.print(result.folder);
}
