import type { Json } from '../model/config-fields';
import { COMMON_KEYS, OWN_KEYS, REFUSED_KEYS, ROTARY_KEYS, type PublishedKeys } from '../model/published-defaults';

/**
 * Keys of a config.json, or of a section of it, that no implementation's arithmetic reads, except the usual ones about
 * the file's origin. `prefix` names the section.
 */
export function unusualKeys(json: Json, keys: PublishedKeys, prefix = ''): string[] {
  const usual = new Set([
    ...COMMON_KEYS,
    ...ROTARY_KEYS,
    ...OWN_KEYS,
    ...Object.keys(REFUSED_KEYS),
    ...Object.keys(keys),
  ]);
  return Object.keys(json)
    .filter((key) => !usual.has(key))
    .map((key) => `${prefix}${key}`);
}
