import { withoutMiddle } from './text';

/** UTF-16 units of a message: a file's text that it quotes may be of any length. */
const LONGEST_MESSAGE = 4000;

/** Under this key an error has the brands of its classes. The same symbol in every copy of this package. */
const BRANDS = Symbol.for('graft.errors');

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
 *
 * Classes of this file are distinguished by brand, not by identity: with two copies of the package in one process,
 * `error instanceof CheckpointError` is true for the errors of either. A subclass of another package is an ordinary class.
 */
export class GraftError extends Error {
  /** Names the class in every copy of this package; own classes of other packages have none. */
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
    // Not enumerable: it is nobody's business but `instanceof`'s, and no part of what is printed or compared.
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

/** The native library or the compiled program. */
export class EngineError extends GraftError {
  protected static override readonly brand: string = 'EngineError';
}
/** A checkpoint, a safetensors file or a run snapshot. */
export class CheckpointError extends GraftError {
  protected static override readonly brand: string = 'CheckpointError';
}
/** Data that does not fit its contract. */
export class DataError extends GraftError {
  protected static override readonly brand: string = 'DataError';
}
/** A plugin that cannot be loaded, or two that clash. */
export class PluginError extends GraftError {
  protected static override readonly brand: string = 'PluginError';
}

/** The workers of a group: one that is gone, that does not join, or that does not match the others. */
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
