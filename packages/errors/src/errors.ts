import { withoutMiddle } from './text';

/** Maximum UTF-16 units of a message, because the text that it quotes from a file may have any length. */
const LONGEST_MESSAGE = 4000;

/**
 * The key under which an error stores the brands of its classes. The symbol is the same in every copy of this package.
 */
const BRANDS = Symbol.for('graft.errors');

/** What an error says in addition to its sentence. */
export interface GraftErrorOptions {
  /** Stable, machine-readable: `checkpoint.truncated`, `config.unknown-key`. */
  code?: string;
  /** Exit code of the command: 1 for a failure while working, 2 for an invalid request. */
  exitCode?: 1 | 2;
  /** What the user can do about it, one sentence; printed on a separate line. */
  hint?: string;
  cause?: unknown;
}

/**
 * An error that a user can act on: its message alone states what is wrong, where, and what was expected. In a message
 * of more than 4,000 characters, a mark with the number of omitted characters replaces the middle.
 *
 * `instanceof` compares the classes of this file by brand, not by identity: with two copies of the package in one
 * process, `error instanceof CheckpointError` is true for the errors of either. Subclasses in other packages are
 * ordinary classes.
 */
export class GraftError extends Error {
  /** Names the class in every copy of this package. Classes of other packages do not have their own. */
  protected static readonly brand: string = 'GraftError';
  readonly code: string;
  readonly exitCode: 1 | 2;
  readonly hint?: string;

  constructor(message: string, options: GraftErrorOptions = {}) {
    super(withoutMiddle(message, LONGEST_MESSAGE), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code ?? 'graft';
    this.exitCode = options.exitCode ?? 1;
    this.hint = options.hint;
    // Not enumerable: only `instanceof` reads it, and it must not appear in output or comparisons.
    Object.defineProperty(this, BRANDS, { value: brandsOf(new.target) });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    if (!Object.hasOwn(this, 'brand') || typeof value !== 'object' || value === null) return false;
    const brands = (value as { [BRANDS]?: unknown })[BRANDS];
    return Array.isArray(brands) && brands.includes(this.brand);
  }
}

function brandsOf(errorClass: unknown): string[] {
  const brands: string[] = [];
  for (let at = errorClass; typeof at === 'function'; at = Object.getPrototypeOf(at) as unknown)
    if (Object.hasOwn(at, 'brand')) brands.push(String((at as unknown as { brand: unknown }).brand));
  return brands;
}

/** An error of the native library or the compiled program. */
export class EngineError extends GraftError {
  protected static override readonly brand: string = 'EngineError';
}
/** An error in a checkpoint, a safetensors file or a run snapshot. */
export class CheckpointError extends GraftError {
  protected static override readonly brand: string = 'CheckpointError';
}
/** Data that violates its contract. */
export class DataError extends GraftError {
  protected static override readonly brand: string = 'DataError';
}
/** A plugin that cannot be loaded, or two that clash. */
export class PluginError extends GraftError {
  protected static override readonly brand: string = 'PluginError';
}

/** An error in a group of workers: one is gone, does not join, or does not match the others. */
export class WorkersError extends GraftError {
  protected static override readonly brand: string = 'WorkersError';
}

/** An invalid config. */
export class ConfigError extends GraftError {
  protected static override readonly brand: string = 'ConfigError';

  constructor(message: string, options: GraftErrorOptions = {}) {
    super(message, { exitCode: 2, ...options });
  }
}

/** An invalid command line. */
export class UsageError extends GraftError {
  protected static override readonly brand: string = 'UsageError';

  constructor(message: string, options: GraftErrorOptions = {}) {
    super(message, { exitCode: 2, ...options });
  }
}
