import { GraftError, PluginError, tf } from '@graft/engine';
import { show } from '../util/show';
import { reasonOf } from '../util/reason';

/** Names of components, stored outside them so that they are not modified: `optimizer "my-plugin/lion"`. */
const names = new WeakMap<object, string>();

export function nameComponent(component: object, name: string): void {
  names.set(component, name);
}

/** The name of a component in messages; `otherwise` if no factory created it. */
export function componentName(component: object, otherwise: string): string {
  return names.get(component) ?? otherwise;
}

/**
 * Calls a component's method. Wraps an exception in a PluginError that names both; rethrows Graft's own errors
 * unchanged.
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
  if (cause instanceof GraftError) return cause;
  return new PluginError(`${componentName(component, otherwise)}: ${method} failed: ${reasonOf(cause)}.`, {
    code: 'plugin.failed',
    cause,
  });
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
