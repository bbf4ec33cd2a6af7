import type { Json } from '../secrets/mask';
import { isObject } from '../util/objects';

/** Changes below these keys cannot change a single loss, so that a resumed run may have them. */
export const ALWAYS_FREE = ['runs', 'engine', 'plugins', 'versions', 'trackers'];

/** Paths at which two JSON values differ. */
export function differences(
  a: Json | undefined,
  b: Json | undefined,
  path: string,
): { path: string; before?: Json; now?: Json }[] {
  if (!isObject(a) || !isObject(b)) return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, before: a, now: b }];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.flatMap((key) => differences(a[key], b[key], path ? `${path}.${key}` : key));
}

/** A key of which some configs hold different values, and its value in each, as JSON; undefined where one has none. */
export interface DifferingKey {
  readonly path: string;
  readonly values: readonly (string | undefined)[];
}

/** The keys in which configs of several runs differ, items of lists one by one. The versions of what ran them do not count. */
export function differingKeys(configs: readonly Readonly<Record<string, unknown>>[]): DifferingKey[] {
  const all = configs.map(({ versions: _, ...config }) => new Map(leaves(config)));
  const paths = [...new Set(all.flatMap((config) => [...config.keys()]))];
  return paths
    .map((path) => ({ path, values: all.map((config) => config.get(path)) }))
    .filter(({ values }) => new Set(values).size > 1);
}

/** Leaves of a JSON value by their path. */
function leaves(value: unknown, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, JSON.stringify(value) ?? '']];
  return Object.entries(value).flatMap(([key, own]) => leaves(own, path ? `${path}.${key}` : key));
}
