import { UsageError } from '@graft/engine';
import { load } from 'js-yaml';
import { isObject, mergeConfig, type ConfigTree, type Origin, type Origins } from './merge';

/** One `--set a.b=c`: where, and what. The value is read as YAML, so `3`, `true`, `[1, 2]` and `{ use: x }` mean what they look like. */
export function parseOverride(text: string): { path: string[]; value: unknown } {
  const equals = text.indexOf('=');
  const path = text.slice(0, equals).trim().split('.');
  if (equals < 1 || path.some((key) => key === '' || /\s/.test(key))) {
    throw new UsageError(`--set ${text}: expected key.path=value, e.g. --set train.steps=100.`, {
      code: 'config.override',
    });
  }
  const source = text.slice(equals + 1);
  try {
    return { path, value: source.trim() === '' ? '' : load(source) };
  } catch (cause) {
    throw new UsageError(`--set ${text}: the value is not valid YAML (${(cause as Error).message.split('\n')[0]}).`, {
      code: 'config.override',
      cause,
    });
  }
}

/** Applies overrides in order; the last one wins. */
export function applyOverrides(
  config: ConfigTree,
  overrides: readonly string[],
  origin: Origin,
  origins: Origins,
): void {
  for (const text of overrides) {
    const { path, value } = parseOverride(text);
    const last = path.pop()!;
    let at: unknown = config;
    let walked = '';
    for (const key of path) {
      walked = walked === '' ? key : `${walked}.${key}`;
      if (Array.isArray(at)) {
        const index = Number(key);
        if (!Number.isInteger(index) || index < 0 || index >= at.length) throw outOfList(text, walked, at.length);
        // A component in its short form is one without options.
        if (typeof at[index] === 'string') at[index] = { use: at[index] };
        at = at[index];
      } else {
        const parent = at as ConfigTree;
        if (!Array.isArray(parent[key]) && !isObject(parent[key])) {
          // `dataset: bytes` with `--set dataset.file=x`: the short form is a component without options.
          parent[key] = typeof parent[key] === 'string' ? { use: parent[key] } : {};
        }
        at = parent[key];
      }
    }
    const full = walked === '' ? last : `${walked}.${last}`;
    if (Array.isArray(at)) {
      const index = Number(last);
      if (!Number.isInteger(index) || index < 0 || index > at.length) throw outOfList(text, full, at.length);
      at[index] = value;
      origins.set(full, origin);
    } else {
      const section = at as ConfigTree;
      // Another component: the options of the old one are not its options.
      if (last === 'use' && section.use !== value) for (const key of Object.keys(section)) delete section[key];
      mergeConfig(section, { [last]: value }, origin, origins, walked);
    }
  }
}

function outOfList(text: string, path: string, length: number): UsageError {
  return new UsageError(`--set ${text}: "${path}" is not a place in a list of ${length}.`, { code: 'config.override' });
}
