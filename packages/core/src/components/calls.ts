import { GraftError, PluginError, tf } from '@graft/engine';
import { show } from '../util/show';
import { reasonOf } from '../util/reason';

/** Beside the components, which stay what their plugin made: `optimizer "my-plugin/lion"`. */
const names = new WeakMap<object, string>();

export function nameComponent(component: object, name: string): void {
  names.set(component, name);
}

/** What messages call a component; `otherwise` for one that no factory made. */
export function componentName(component: object, otherwise: string): string {
  return names.get(component) ?? otherwise;
}

/**
 * Calls a component's method. What it throws becomes a PluginError that names both; Graft's own errors say what they mean
 * themselves.
 */
export function callComponent<T>(component: object, otherwise: string, method: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw failedComponent(component, otherwise, method, cause);
  }
}

/** What to throw for something that a component's method threw. */
export function failedComponent(component: object, otherwise: string, method: string, cause: unknown): GraftError {
  if (cause instanceof GraftError) return cause;
  return new PluginError(`${componentName(component, otherwise)}: ${method} failed: ${reasonOf(cause)}.`, {
    code: 'plugin.failed',
    cause,
  });
}

/** What a component returned is not what its interface says; `what`: `the metric "x"`. */
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
