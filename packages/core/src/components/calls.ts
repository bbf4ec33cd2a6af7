import { EngineError, GraftError, PluginError, tf } from '@graft/engine';
import { show } from '../util/show';
import { reasonOf } from '../util/reason';
import { blamedEngineError } from '../util/engine-error';

/** Names of components, stored outside them so that they are not modified: `optimizer "my-plugin/lion"`. */
const names = new WeakMap<object, string>();
const places = new WeakMap<object, () => string | undefined>();

/** `place`: returns where the config names it, `evaluators.0.dataset`. */
export function nameComponent(component: object, name: string, place?: () => string | undefined): void {
  names.set(component, name);
  if (place) places.set(component, place);
}

/** The name of a component in messages; `otherwise` if no factory created it. */
export function componentName(component: object, otherwise: string): string {
  return names.get(component) ?? otherwise;
}

/**
 * The name of a component with its place in the config, unless the section `own` is the place: a run has one of those.
 */
export function placedName(component: object, otherwise: string, own: string): string {
  return withPlace(componentName(component, otherwise), places.get(component)?.(), own);
}

export const withPlace = (name: string, place: string | undefined, own: string): string =>
  place === undefined || place === own ? name : `${name} (${place} in the config)`;

/**
 * Calls a component's method. Wraps an exception in an error that names both: an EngineError if the engine threw it,
 * otherwise a PluginError. Rethrows Graft's other errors unchanged.
 */
export function callComponent<T>(component: object, otherwise: string, method: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw failedComponent(component, otherwise, method, cause);
  }
}

/** The error to throw for an exception of a component's method. */
export function failedComponent(component: object, otherwise: string, method: string, cause: unknown): GraftError {
  const where = `${componentName(component, otherwise)}: ${method}`;
  if (cause instanceof EngineError) return blamedEngineError(where, cause);
  if (cause instanceof GraftError) return cause;
  return new PluginError(`${where} failed: ${reasonOf(cause)}.`, { code: 'plugin.failed', cause });
}

/** The error for a return value that violates the component's interface; `what`: `the metric "x"`. */
export function wrongResult(
  component: object,
  otherwise: string,
  { what, got, expected }: { readonly what: string; readonly got: unknown; readonly expected: string },
): PluginError {
  return new PluginError(`${componentName(component, otherwise)}: ${what} is ${describe(got)}; expected ${expected}.`, {
    code: 'plugin.result',
  });
}

function describe(value: unknown): string {
  if (value instanceof tf.Tensor) return `a tensor ${value.dtype} [${value.shape.join(', ')}]`;
  return isPromise(value) ? 'a promise' : show(value);
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
