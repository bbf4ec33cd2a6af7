/** Names of settings and points in tables and messages. */
import { shortened } from '@graft/errors';
import { show } from '../util/show';
import type { SweepPoint } from './points';

/** The last parts of keys that are enough to tell them apart. */
export function shortKeys(keys: readonly string[]): string[] {
  return keys.map((key) => {
    const parts = key.split('.');
    for (let count = 1; count < parts.length; count++) {
      // An index says nothing without its list.
      if (/^\d+$/.test(parts[parts.length - count])) continue;
      const short = parts.slice(-count).join('.');
      if (keys.every((other) => other === key || !`.${other}`.endsWith(`.${short}`))) return short;
    }
    return key;
  });
}

const LONGEST_VALUE = 40;

/** A value of a setting as a word where it is one: `lion` for `{ use: lion }`. */
export function settingText(value: unknown): string {
  if (typeof value === 'string') return shortened(value, LONGEST_VALUE);
  const { use, ...more } = (value ?? {}) as { readonly use?: unknown };
  if (typeof use === 'string' && Object.keys(more).length === 0) return use;
  return shortened(show(value), LONGEST_VALUE);
}

/** What distinguishes each point, for people: `adapted learningRate=0.01`. */
export function pointTitles(points: readonly SweepPoint[]): string[] {
  const names = shortKeys(points[0].varied.map(([key]) => key));
  return points.map(({ arm, varied }) =>
    [arm, ...varied.map(([, value], i) => `${names[i]}=${settingText(value)}`)].filter(Boolean).join(' '),
  );
}
