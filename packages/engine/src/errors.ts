import { withoutMiddle } from './text';

/** UTF-16 units of a message: a file's text that it quotes may be of any length. */
const LONGEST_MESSAGE = 4000;

export interface GraftErrorOptions {
  /** Stable, machine-readable: `checkpoint.truncated`, `config.unknown-key`. */
  code?: string;
  /** Exit code of the command: 1 for a failure while working, 2 for an invalid request. */
  exitCode?: 1 | 2;
  /** What to do about it, one sentence; printed on a line of its own. */
  hint?: string;
  cause?: unknown;
}

/**
 * An error that a user can act on: its message alone states what is wrong, where, and what was expected. A message of
 * more than 4,000 characters loses its middle, which the message marks.
 */
export class GraftError extends Error {
  readonly code: string;
  readonly exitCode: 1 | 2;
  readonly hint?: string;

  constructor(message: string, options: GraftErrorOptions = {}) {
    super(withoutMiddle(message, LONGEST_MESSAGE), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code ?? 'graft';
    this.exitCode = options.exitCode ?? 1;
    this.hint = options.hint;
  }
}

/** The native library or the compiled program. */
export class EngineError extends GraftError {}
/** A checkpoint, a safetensors file or a run snapshot. */
export class CheckpointError extends GraftError {}
/** Data that does not fit its contract. */
export class DataError extends GraftError {}
/** A plugin that cannot be loaded, or two that clash. */
export class PluginError extends GraftError {}

/** The workers of a group: one that is gone, that does not join, or that does not match the others. */
export class WorkersError extends GraftError {}

/** An invalid config. */
export class ConfigError extends GraftError {
  constructor(message: string, options: GraftErrorOptions = {}) {
    super(message, { exitCode: 2, ...options });
  }
}

/** An invalid command line. */
export class UsageError extends GraftError {
  constructor(message: string, options: GraftErrorOptions = {}) {
    super(message, { exitCode: 2, ...options });
  }
}

/** A tensor of a compiled function was read before the function ran. `by`: what read it, as "print() reads". */
export function valueInTrace(by: string, name: string): EngineError {
  return new EngineError(`${by} the value of a tensor inside jit "${name}", where tensors have no values yet.`, {
    code: 'engine.value-in-trace',
    hint: 'Return the tensor and read it outside, or choose with tf.where instead of an if.',
  });
}
