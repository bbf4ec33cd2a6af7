/** What commands share that work on a config, or so long that somebody may stop them: their options, and Ctrl-C. */
import type { ExperimentConfig, LoadOptions } from '@graft/core';
import { Option } from 'commander';
import { existsSync } from 'node:fs';
import { defaultPlugins } from '../../default-plugins';
import type { CommandContext } from './context';
import { collect, type EngineCommandOptions } from './options';

/** Status of what a Ctrl-C stopped, as shells report it. */
export const INTERRUPTED = 130;

/** Options of commands that work on a config. */
export interface RunnableOptions extends EngineCommandOptions {
  readonly set?: readonly string[];
  /** In addition to those that the config names. */
  readonly plugin?: readonly string[];
}

export interface ResumableOptions extends RunnableOptions {
  readonly resume?: string | true;
}

export function setOption(example?: string): Option {
  const shown = example === undefined ? '' : `, e.g. --set ${example}`;
  return new Option('--set <key=value>', `override one key of the config${shown}; may be repeated`).argParser(collect);
}

/** `what`: a run, an evaluation. */
export function resumeOption(what: string): Option {
  return new Option(
    '--resume [id]',
    `resume the newest unfinished ${what} with the name of the config, or the ${what} with this id`,
  );
}

/** Of `graft run --resume config.yaml` the parser takes the file for an id. */
export function configBeforeResume<O extends ResumableOptions>(
  file: string | undefined,
  options: O,
): readonly [file: string | undefined, options: O] {
  const { resume } = options;
  if (file !== undefined || typeof resume !== 'string' || !existsSync(resume)) return [file, options];
  return [resume, { ...options, resume: true }];
}

/** Reads the config by `load`, with the changes that the command line asks for. */
export async function loadRunnable<L extends { readonly config: { readonly engine: ExperimentConfig['engine'] } }>(
  load: (options: LoadOptions) => Promise<L>,
  context: CommandContext,
  file: string | undefined,
  { set, plugin = [], engine, device }: RunnableOptions,
): Promise<L> {
  const loaded = await load({
    file,
    overrides: set,
    plugins: [...defaultPlugins, ...plugin],
    onCode: context.noteCode,
  });
  return withEngineOptions(loaded, { engine, device });
}

/** What was loaded, with the engine that the command line names. Throws EngineError for options that contradict it. */
export async function withEngineOptions<L extends { readonly config: { readonly engine: ExperimentConfig['engine'] } }>(
  loaded: L,
  { engine, device }: EngineCommandOptions,
): Promise<L> {
  const { chooseTarget, withEngineFlags } = await import('@graft/engine/internal');
  const { config } = loaded;
  const merged = withEngineFlags(config.engine, { engine, device });
  // Before anything is read: flags may contradict each other.
  chooseTarget(merged);
  return { ...loaded, config: { ...config, engine: merged } };
}

/** Does what a Ctrl-C stops by the signal; `stopping` is what it says of that. */
export async function interruptible<R>(
  context: CommandContext,
  stopping: string,
  work: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const { withInterrupt } = await import('@graft/core');
  return withInterrupt(work, () => context.note(`${stopping}; once more ends at once.`));
}

/** For a command that was stopped: says how to go on, and sets the status. */
export function noteInterrupted(context: CommandContext, line: string): void {
  context.note(line);
  context.exitCode = INTERRUPTED;
}
