import { EngineError, type GraftError } from '@graft/engine';
import { reasonOf } from './reason';

/** Errors of the engine that name the component already. */
const blamed = new WeakSet<GraftError>();

/**
 * An error of the engine in a component's code, with the place where it happened; `where`: `optimizer "a/b": update`.
 * Errors that name a component are returned as they are, because the innermost component is the one that failed, and so
 * is exhausted memory, for which the component is not to blame.
 */
export function blamedEngineError(where: string, cause: EngineError): EngineError {
  if (blamed.has(cause) || cause.code === 'engine.out-of-memory') return cause;
  const { code, exitCode, hint } = cause;
  const error = new EngineError(`${where} failed: ${reasonOf(cause)}.`, { code, exitCode, hint, cause });
  blamed.add(error);
  return error;
}
