import type { EvaluationRecord } from '@graft/core';
import type { EngineMode } from '@graft/engine';
import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { INTERRUPTED, openLogger, type CommandContext } from './shared/context';
import { defaultPlugins } from '../default-plugins';
import { evaluationTable } from '../output/evaluation-table';
import { collect, engineOption } from './shared/options';

interface EvaluateOptions {
  set?: string[];
  checkpoint?: string;
  resume?: string | true;
  engine?: EngineMode;
}

export function addEvaluateCommand(program: Command, context: CommandContext): void {
  program
    .command('evaluate')
    .description(
      "run a config's evaluators on a model, without training; prints their tables and the folder of the run",
    )
    .argument(
      '[config]',
      'yaml, json, ts or js file; for a training config, only its evaluators run (default: graft.config.* in this folder or above)',
    )
    .option('--checkpoint <folder>', "evaluate this model instead of the config's initializer")
    .option('--set <key=value>', 'override one key of the config; may be repeated', collect)
    .option(
      '--resume [id]',
      'resume the newest unfinished evaluation with the name of the config, or the one with this id',
    )
    .addOption(engineOption())
    .addHelpText('after', '\nCtrl-C stops with status 130 and keeps finished results; --resume continues from there.')
    .action(async (config: string | undefined, options: EvaluateOptions) => {
      // The parser mistakes the file of `graft evaluate --resume config.yaml` for an id.
      if (config === undefined && typeof options.resume === 'string' && existsSync(options.resume))
        await evaluate(context, options.resume, { ...options, resume: true });
      else await evaluate(context, config, options);
    });
}

async function evaluate(context: CommandContext, file: string | undefined, options: EvaluateOptions): Promise<void> {
  const { loadEvaluationConfig, runEvaluation, withInterrupt } = await import('@graft/core');
  const overrides = [...(options.set ?? [])];
  if (options.checkpoint !== undefined)
    overrides.unshift(`initializer=${JSON.stringify({ use: 'load', path: options.checkpoint })}`);
  const loaded = await loadEvaluationConfig({ file, overrides, plugins: defaultPlugins, onCode: context.noteCode });
  const { config } = loaded;
  const engine = { ...config.engine, mode: options.engine ?? config.engine.mode };
  const logger = await openLogger(context);
  const result = await withInterrupt(
    (signal) => runEvaluation({ ...loaded, config: { ...config, engine } }, { resume: options.resume, signal, logger }),
    () => context.note('Stopping; once more ends at once.'),
  );
  for (const record of result.evaluations) printRecord(context, record);
  if (result.status === 'interrupted') {
    context.note(`Stopped before the end; --resume ${result.id} goes on from there.`);
    context.exitCode = INTERRUPTED;
  }
  context.print(result.folder);
}

function printRecord(context: CommandContext, { evaluator, metrics }: EvaluationRecord): void {
  context.print(evaluator);
  context.print(evaluationTable(metrics));
  context.print('');
}
