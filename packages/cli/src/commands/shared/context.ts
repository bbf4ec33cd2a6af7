import type { Logger, NamedCode } from '@graft/core';
import type { Engine, Precision } from '@graft/engine';
import type { EngineCommandOptions } from './options';

export interface GlobalOptions {
  readonly debug?: boolean;
  readonly quiet?: boolean;
}

/** The context of a command's action, in addition to its own options. */
export interface CommandContext {
  globals: GlobalOptions;
  /** Exit status of the process if the command ends without an error. */
  exitCode: number;
  /** A line of the result, on standard output. */
  print(line: string): void;
  /** A part of a line of the result. */
  write(text: string): void;
  /** A line for humans, on standard error; nothing under --quiet. */
  note(line: string): void;
  /** A line about a failure that does not end the command, on standard error, even under --quiet. */
  warn(line: string): void;
  /** Prints the name of a config or plugin that is code before it runs: each file once. */
  readonly noteCode: (code: NamedCode) => void;
}

export async function openLogger({ globals }: CommandContext): Promise<Logger> {
  const { createLogger } = await import('@graft/core');
  return createLogger({ level: globals.quiet ? 'error' : globals.debug ? 'debug' : 'info' });
}

/** Opens the engine of a command that computes; prints a note once if it is not the one that was tried first. */
export async function openCommandEngine(
  context: CommandContext,
  options: EngineCommandOptions,
  precision?: Precision,
): Promise<Engine> {
  const { openEngine } = await import('@graft/engine');
  const { withEngineFlags } = await import('@graft/engine/internal');
  const engine = await openEngine({ ...withEngineFlags({}, options), precision });
  const { fallbackWarning } = await import('@graft/core/internal');
  const warning = fallbackWarning(engine);
  if (warning) context.note(warning);
  return engine;
}
