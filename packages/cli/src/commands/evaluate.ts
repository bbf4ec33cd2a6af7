import type { EvaluationRecord } from '@graft/core';
import type { Command } from 'commander';
import { openLogger, type CommandContext } from './shared/context';
import { evaluationTable } from '../output/evaluation-table';
import { engineOption } from './shared/options';
import { reportOf } from './shared/report-of';
import {
  configBeforeResume,
  interruptible,
  loadRunnable,
  noteInterrupted,
  resumeOption,
  setOption,
  type ResumableOptions,
} from './shared/runnable';

interface EvaluateOptions extends ResumableOptions {
  readonly checkpoint?: string;
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
    .addOption(setOption())
    .addOption(resumeOption('evaluation'))
    .addOption(engineOption())
    .addHelpText(
      'after',
      '\nCtrl-C stops with status 130; finished results are kept, and --resume continues from there.',
    )
    .action((config: string | undefined, options: EvaluateOptions) =>
      evaluate(context, ...configBeforeResume(config, options)),
    );
}

async function evaluate(context: CommandContext, file: string | undefined, options: EvaluateOptions): Promise<void> {
  const { loadEvaluationConfig, runEvaluation } = await import('@graft/core');
  const { checkpoint, resume, set = [] } = options;
  const model = checkpoint === undefined ? [] : [`initializer=${JSON.stringify({ use: 'load', path: checkpoint })}`];
  const loaded = await loadRunnable(loadEvaluationConfig, context, file, { ...options, set: [...model, ...set] });
  const logger = await openLogger(context);
  const result = await interruptible(context, 'Stopping', (signal) =>
    runEvaluation(loaded, { resume, signal, logger, report: reportOf }),
  );
  for (const record of result.evaluations) printRecord(context, record);
  if (result.status === 'interrupted')
    noteInterrupted(context, `Stopped before the end; --resume ${result.id} goes on from there.`);
  context.print(result.folder);
}

function printRecord(context: CommandContext, { evaluator, metrics }: EvaluationRecord): void {
  context.print(evaluator);
  context.print(evaluationTable(metrics));
  context.print('');
}
