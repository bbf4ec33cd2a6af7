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
