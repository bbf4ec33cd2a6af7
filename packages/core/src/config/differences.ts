import { shortened } from '@graft/engine';
import { maskedForMessage } from '../secrets/mask';
import { redact } from '../secrets/redact';

/** Changes below these keys cannot change a single loss, so that a resumed run may have them. */
export const ALWAYS_FREE = ['runs', 'engine', 'plugins', 'versions', 'trackers'];

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Paths at which two JSON values differ. */
export function differences(
  a: Json | undefined,
  b: Json | undefined,
  path: string,
): { path: string; before?: Json; now?: Json }[] {
  const isTree = (value: Json | undefined): value is { [key: string]: Json } =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isTree(a) || !isTree(b)) return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, before: a, now: b }];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.flatMap((key) => differences(a[key], b[key], path ? `${path}.${key}` : key));
}

const LONGEST_SHOWN = 60;

export function shown(value: Json | undefined): string {
  return shortened(redact(JSON.stringify(maskedForMessage(value)) ?? 'nothing'), LONGEST_SHOWN);
}
