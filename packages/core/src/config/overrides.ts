import { UsageError } from '@graft/engine';
import {
  droppedFor,
  expandedSection,
  joinPath,
  mergeConfig,
  type ConfigTree,
  type Origin,
  type Origins,
} from './merge';
import { isObject } from '../util/objects';
import { parseYaml, withoutValues } from './yaml';

/** An override in a message: without its value, which may be a secret. */
const named = (text: string): string =>
  text.includes('=') ? `--set ${text.slice(0, text.indexOf('='))}=…` : '--set …';

/**
 * One `--set a.b=c`: path and value. The value is read as YAML, so `3`, `true`, `[1, 2]` and `{ use: x }` have their
 * usual meaning.
 */
export function parseOverride(text: string): { path: string[]; value: unknown } {
  const equals = text.indexOf('=');
  const path = text.slice(0, equals).trim().split('.');
  if (equals < 1 || path.some((key) => key === '' || key === '__proto__' || /\s/.test(key))) {
    throw new UsageError(`${named(text)}: expected key.path=value, e.g. --set train.steps=100.`, {
      code: 'config.override',
    });
  }
  const source = text.slice(equals + 1);
  try {
    return { path, value: source.trim() === '' ? '' : parseYaml(source) };
  } catch (cause) {
    const reason = withoutValues((cause as Error).message.split('\n')[0]);
    throw new UsageError(`${named(text)}: the value is not valid YAML (${reason}).`, { code: 'config.override' });
  }
}

/** Applies overrides in order; the last one wins. */
export function applyOverrides(
  config: ConfigTree,
  overrides: readonly string[],
  origin: Origin,
  origins: Origins,
): void {
  const parsed = overrides.map((text) => ({ text, ...parseOverride(text) }));
  // Applied first: `--set dataset.files=x --set dataset.use=text` means the same in either order.
  for (const { path, value } of parsed)
    if (path.at(-1) === 'use') dropOldOptions(config, path.slice(0, -1), value, { origin, origins });
  for (const { text, path, value } of parsed) {
    const last = path.pop()!;
    let at = config;
    let walked = '';
    for (const [i, key] of path.entries()) {
      checkIndex(text, at, key, walked);
      walked = joinPath(walked, key);
      let next = Object.hasOwn(at, key) ? at[key] : undefined;
      if (typeof next === 'string') next = expandedSection(walked, next);
      // A missing value becomes a list if its index 0 is set.
      else if (typeof next !== 'object' || next === null) {
        next = (path[i + 1] ?? last) === '0' ? [] : {};
        origins.set(walked, origin);
      }
      at[key] = next;
      at = next as ConfigTree;
    }
    checkIndex(text, at, last, walked);
    mergeConfig(at, { [last]: value }, origin, origins, walked);
    // Whoever writes null here wants the key gone, also where it never was: one of the values of a sweep.
    if (value === null && !Array.isArray(at)) origins.set(joinPath(walked, last), { ...origin, unset: true });
  }
}

/** Naming another component drops the options of the old one. */
function dropOldOptions(
  config: ConfigTree,
  path: readonly string[],
  use: unknown,
  { origin, origins }: { readonly origin: Origin; readonly origins: Origins },
): void {
  let at: unknown = config;
  for (const key of path)
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) && (at as ConfigTree)[key];
  const section = typeof at === 'string' ? { use: at } : at;
  if (!isObject(section) || section.use === undefined || section.use === use) return;
  origins.set(path.join('.'), { ...origin, replacedComponent: droppedFor(section) });
  if (!isObject(at)) return;
  for (const key of Object.keys(at)) delete at[key];
  at.use = use;
}

/** A list has the indices 0 to its length, which appends; lists are walked like objects with such keys. */
function checkIndex(text: string, at: ConfigTree, key: string, walked: string): void {
  if (!Array.isArray(at)) return;
  if (/^(0|[1-9]\d*)$/.test(key) && Number(key) <= at.length) return;
  throw new UsageError(`${named(text)}: "${joinPath(walked, key)}" is not a place in a list of ${at.length}.`, {
    code: 'config.override',
  });
}
