import type { EvaluationRecord, LoadedEvaluation } from '@graft/core';
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { openLogger, type CommandContext } from './shared/context';
import { familyComponents } from '../models/open-components';
import { evaluationTable } from '../output/evaluation-table';
import { CommandLineError } from '../output/command-line-error';
import { deviceOption, engineOption, integer, pluginOption } from './shared/options';
import { stopWithSweep } from '../sweep/trial-process';
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
  readonly adapter?: string;
  readonly tasks?: readonly string[];
  readonly data?: string;
  readonly limit?: number;
  readonly shots?: number;
  readonly chat?: boolean;
  readonly allowCode?: boolean;
  readonly threads?: number;
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
    .option(
      '--adapter <folder>',
      "low-rank adapter (LoRA) in PEFT's layout that is merged into the model of --checkpoint, or of the initializer `load`",
    )
    .option(
      '--tasks <names>',
      "run these tasks or suites, comma-separated, instead of the config's evaluators: arc-easy,gsm8k",
      (names: string) => names.split(',').map((name) => name.trim()),
    )
    .option(
      '--data <folder>',
      "with --tasks: folder with the files of the benchmarks (default: that of the config's evaluator benchmarks)",
    )
    .option('--limit <rows>', 'with --tasks: the first rows of each task, or of each of its sets', integer(1))
    .option('--shots <number>', "with --tasks: examples in front of each question (default: each task's)", integer(0))
    .option('--chat', 'with --tasks: each prompt is a turn of the user, in the chat template of the checkpoint')
    .option('--allow-code', 'with --tasks: run the programs that the model writes (humaneval, mbpp), without network')
    .option(
      '--threads <number>',
      'threads for one operation, if the config does not set engine.threads (default: the number of cores)',
      integer(1),
    )
    .addOption(pluginOption())
    .addOption(setOption())
    .addOption(resumeOption('evaluation'))
    .addOption(engineOption())
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nCtrl-C stops with status 130; finished results are kept, and --resume continues from there.',
    )
    .action((config: string | undefined, options: EvaluateOptions) =>
      evaluate(context, ...configBeforeResume(config, options)),
    );
}

async function evaluate(context: CommandContext, file: string | undefined, options: EvaluateOptions): Promise<void> {
  const { runEvaluation } = await import('@graft/core');
  stopWithSweep();
  const { resume, threads } = options;
  const loaded = await loadEvaluation(context, file, options);
  const logger = await openLogger(context);
  const result = await interruptible(context, 'Stopping', (signal) =>
    runEvaluation(loaded, { resume, threads, signal, logger, report: reportOf }),
  );
  for (const record of result.evaluations) printRecord(context, record);
  if (result.status === 'interrupted')
    noteInterrupted(context, `Stopped before the end; continue with --resume ${result.id}.`);
  context.print(result.folder);
}

/**
 * The override by which `--tasks` replaces the config's evaluators: the options of its evaluator `benchmarks`, if it has
 * one, with those of the command line.
 */
async function taskOverrides(
  context: CommandContext,
  file: string | undefined,
  { tasks, data, limit, shots, chat, allowCode, set, ...options }: EvaluateOptions,
): Promise<string[]> {
  if (tasks === undefined) {
    const [odd] = Object.entries({ data, limit, shots, chat, 'allow-code': allowCode }).filter(
      ([, value]) => value !== undefined,
    );
    if (odd) throw new CommandLineError(`--${odd[0]} belongs to --tasks, which says what it is about.`);
    return [];
  }
  const { ConfigError, InvalidConfigError, loadEvaluationConfig } = await import('@graft/core');
  // Those of evaluators are about the list that the tasks become.
  const others = set?.filter((override) => !override.startsWith('evaluators'));
  const evaluators = await loadRunnable(loadEvaluationConfig, context, file, { ...options, set: others }).then(
    ({ config }) => config.evaluators,
    (error: unknown) => {
      // With the tasks, a config without evaluators is complete.
      if (error instanceof InvalidConfigError && error.issues.every(({ path }) => path === 'evaluators')) return [];
      throw error;
    },
  );
  const own = evaluators.find(({ use }) => /(^|\/)benchmarks$/.test(use));
  if (!own && data === undefined)
    throw new ConfigError('--tasks needs --data: the config has no evaluator "benchmarks" that names a folder.', {
      code: 'evaluate.no-data',
      hint: "Give --data FOLDER with the benchmarks' own files.",
    });
  const given = Object.entries({ tasks, data: data && resolve(data), limit, shots, chat, allowCode });
  const changed = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  return [`evaluators=${JSON.stringify([{ use: 'benchmarks', ...own, ...changed }])}`];
}

/** With `--checkpoint`, the config's `model` is replaced if the checkpoint is of another family. */
async function loadEvaluation(
  context: CommandContext,
  file: string | undefined,
  given: EvaluateOptions,
): Promise<LoadedEvaluation> {
  const { checkpoint, adapter, ...options } = given;
  const set = [...(await taskOverrides(context, file, given)), ...(given.set ?? [])];
  const { loadEvaluationConfig } = await import('@graft/core');
  const load = (overrides: readonly string[]): Promise<LoadedEvaluation> =>
    loadRunnable(loadEvaluationConfig, context, file, { ...options, set: [...overrides, ...set] });
  if (checkpoint === undefined)
    return load(adapter === undefined ? [] : [`initializer.adapter=${JSON.stringify(adapter)}`]);
  const initializer = `initializer=${JSON.stringify({ use: 'load', path: checkpoint, adapter })}`;
  const loaded = await load([initializer]);
  const { registry, config } = loaded;
  const stored = await configOf(checkpoint);
  // What cannot be read is reported by the initializer.
  if (stored === undefined) return loaded;
  const components = await familyComponents(context, registry);
  const { modelTypes } = await components.create('model', config.model);
  // A family that names no types is taken at the config's word.
  if (!modelTypes || modelTypes.includes(String(stored.model_type))) return loaded;
  const { findFamily } = await import('@graft/core');
  const { use } = await findFamily(registry, components, stored, `${checkpoint}/config.json`);
  return load([initializer, `model=${JSON.stringify({ use })}`]);
}

async function configOf(checkpoint: string): Promise<Record<string, unknown> | undefined> {
  const { CheckpointReader } = await import('@graft/checkpoint');
  const reader = await CheckpointReader.open(checkpoint).catch(() => undefined);
  const config = await reader?.config().catch(() => undefined);
  await reader?.close();
  return config;
}

function printRecord(context: CommandContext, { evaluator, metrics }: EvaluationRecord): void {
  context.print(evaluator);
  context.print(evaluationTable(metrics));
  context.print('');
}
