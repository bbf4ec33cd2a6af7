import type { Model, ModelFamily, ModelTransition, Parameters } from '../interfaces';
import { callComponent, componentName } from './calls';
import { lending } from './lending';

/** The methods of a model, and of its parts, that get parameters first. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  model: ['forward'],
  head: ['rows', 'logits'],
  representation: ['states'],
  decoding: ['encode', 'prefill', 'step', 'logits', 'ranking'],
};

const THE_FAMILY = 'The model family';

/**
 * The same model, whose failures name its family instead of the component that calls it: exceptions, and parameters
 * that it disposes or overwrites.
 */
export function guardModel(model: Model, family: ModelFamily): Model {
  const parts = new Map<object, object>();
  return guard(model, family, METHODS.model, (key, value) => {
    if (key === 'transition' && value !== undefined) return guardTransition(value as ModelTransition, family);
    const methods = key === 'model' ? undefined : METHODS[key];
    if (!methods || typeof value !== 'object' || value === null) return value;
    const made = parts.get(value) ?? guard(value, family, methods);
    parts.set(value, made);
    return made;
  });
}

/** The models that one turns into are guarded, too. */
const guardTransition = (transition: ModelTransition, family: ModelFamily): ModelTransition => ({
  steps: transition.steps,
  at: (steps) => guardModel(transition.at(steps), family),
});

function guard<T extends object>(
  target: T,
  family: ModelFamily,
  methods: readonly string[],
  partOf: (key: string, value: unknown) => unknown = (_, value) => value,
): T {
  const bound = new Map<unknown, unknown>();
  const bind = (key: string | symbol, method: (...given: unknown[]) => unknown): unknown => {
    if (typeof key === 'symbol' || !methods.includes(key))
      // A private member (#name) is not found through a proxy.
      return (...given: unknown[]) => method.apply(target, given);
    return (parameters: Parameters, ...given: unknown[]) =>
      callComponent(family, THE_FAMILY, key, () =>
        lending(parameters, componentName(family, THE_FAMILY), (lent) => method.call(target, lent, ...given)),
      );
  };
  return new Proxy(target, {
    get: (_, key) => {
      const value: unknown = Reflect.get(target, key, target);
      // A proxy must return the values of a frozen object unchanged.
      const own = Reflect.getOwnPropertyDescriptor(target, key);
      if (own?.configurable === false && own.writable === false) return value;
      if (typeof value !== 'function' || key === 'constructor')
        return typeof key === 'symbol' ? value : partOf(key, value);
      if (!bound.has(value)) bound.set(value, bind(key, value as (...given: unknown[]) => unknown));
      return bound.get(value);
    },
  });
}
