import { isObject } from '@graft/core/internal';
import type { Json } from './config-fields';
import {
  COMMON_KEYS,
  GEMMA2_KEYS,
  OWN_KEYS,
  REFUSED_KEYS,
  ROTARY_KEYS,
  T5GEMMA_KEYS,
  T5GEMMA_SECTION_KEYS,
  type PublishedKey,
} from './published-defaults';

/**
 * Keys of a Gemma 2's or T5Gemma's config.json that change nothing (`encoder.hidden_act`): those that no
 * implementation's arithmetic reads, except the usual ones about the file's origin. They show users which settings have
 * no effect.
 */
export function ignoredKeys(json: Json): string[] {
  if (json.model_type !== 't5gemma') return ignoredIn(json, GEMMA2_KEYS);
  const sections = (['encoder', 'decoder'] as const).flatMap((side) => {
    const section = json[side];
    return isObject(section) ? ignoredIn(section, T5GEMMA_SECTION_KEYS, `${side}.`) : [];
  });
  return [...ignoredIn(json, T5GEMMA_KEYS), ...sections];
}

function ignoredIn(json: Json, keys: Readonly<Record<string, PublishedKey>>, prefix = ''): string[] {
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
