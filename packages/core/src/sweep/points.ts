/** From the sections of a sweep to its points: settings of config keys, each tried with every seed. */
import { ConfigError } from '@graft/engine';
import { dirname, resolve } from 'node:path';
import { createRandom, type RandomStream } from '../random/streams';
import { NOT_HASHED } from '../run/same-run';
import type { Distribution, SweepSection } from './schema';

/** A key of a config and its value. */
export type Setting = readonly [key: string, value: unknown];

/** Settings that are tried together, with each seed. */
export interface SweepPoint {
  /** The label of its arm, if the sweep has a list. */
  readonly arm?: string;
  /** The file of its config. */
  readonly config: string;
  /** What distinguishes it within its arm: one setting for each key of the grid and of the random draws. */
  readonly varied: readonly Setting[];
  /** Everything that it sets, in the order in which it is applied. */
  readonly settings: readonly Setting[];
  /** Keys that are numbers of steps, as shares of the steps of the training. */
  readonly shares: readonly (readonly [key: string, share: number])[];
  /** Steps of its training, if they were computed to match those of another point. */
  readonly steps?: number;
  /** What `steps` takes the place of, where its config has one. */
  readonly replacedLength?: 'tokens' | 'epochs';
}

/** Far more than anybody runs; beyond it a grid is a mistake. */
const MOST_POINTS = 10_000;
/** Digits of a drawn number that is not whole: more would only be hard to read. */
const DRAWN_DIGITS = 4;

/**
 * The points of a sweep: each arm of the list with each combination of the grid and each random draw. `file`: the
 * sweep's, from whose folder relative paths start. Throws ConfigError for sections that contradict each other.
 */
export function sweepPoints(sweep: SweepSection, file: string): SweepPoint[] {
  const { set, shares, list, grid = {}, random, seeds, config } = sweep;
  checkKeys(sweep, file);
  if (!list && !sweep.grid && !random && seeds === undefined)
    throw wrong(file, 'nothing varies', 'Give it a list, a grid, random draws, or several seeds.');
  const arms = list ?? [{ label: undefined, config: undefined, set: {}, shares: {} }];
  const draws = random ? drawnSettings(random) : [[]];
  const sizes = [arms.length, ...Object.values(grid).map((values) => values.length), draws.length];
  const count = sizes.reduce((product, size) => product * size, 1);
  if (count > MOST_POINTS)
    throw wrong(file, `it has ${count} settings, ${sizes.join(' x ')}; a sweep tries at most ${MOST_POINTS}`);
  const combinations = product(Object.entries(grid));
  return arms.flatMap((arm) => {
    const own = arm.config ?? config;
    if (own === undefined)
      throw wrong(
        file,
        arm.label === undefined ? '"config" is missing' : `the arm "${arm.label}" has no config`,
        'Name the config with "config", for the whole sweep or for each arm.',
      );
    return combinations.flatMap((combination) =>
      draws.map((drawn): SweepPoint => {
        const varied = [...combination, ...drawn];
        const fixed = [...Object.entries(set), ...Object.entries(arm.set)];
        // `optimizer: lion` would drop an `optimizer.weightDecay` that was set before it.
        const isAround = ([key]: Setting): boolean => fixed.some(([inner]) => inner.startsWith(`${key}.`));
        const byDepth = [...varied].sort((a, b) => depth(a) - depth(b));
        return {
          arm: arm.label,
          config: resolve(dirname(file), own),
          varied,
          shares: Object.entries({ ...shares, ...arm.shares }),
          settings: [...byDepth.filter(isAround), ...fixed, ...byDepth.filter((one) => !isAround(one))],
        };
      }),
    );
  });
}

const depth = ([key]: Setting): number => key.split('.').length;

const wrong = (file: string, problem: string, hint?: string): ConfigError =>
  new ConfigError(`${file}: ${problem}.`, { code: 'sweep.invalid', hint });

/** All combinations, of which the last key varies fastest. */
function product(keys: readonly (readonly [string, readonly unknown[]])[]): Setting[][] {
  return keys.reduce<Setting[][]>(
    (all, [key, values]) => all.flatMap((before) => values.map((value): Setting[] => [...before, [key, value]])),
    [[]],
  );
}

/** One list of settings for each draw. Each key has a stream for each draw, so adding keys or draws changes no other. */
function drawnSettings({ trials, seed, keys }: NonNullable<SweepSection['random']>): Setting[][] {
  const stream = createRandom(seed).fork('sweep');
  return Array.from({ length: trials }, (_, trial) =>
    Object.entries(keys).map(([key, from]): Setting => [key, draw(from, stream.fork(key).fork(trial))]),
  );
}

function draw(distribution: Distribution, random: RandomStream): unknown {
  if ('values' in distribution) return distribution.values[random.integer(distribution.values.length)];
  const { from, to, scale, whole } = distribution;
  const share = random.uniform();
  if (whole) {
    // Each whole number has the part of the range that rounds down to it.
    const [least, most] = [Math.ceil(from), Math.floor(to)];
    const value = scale === 'log' ? least * ((most + 1) / least) ** share : least + (most + 1 - least) * share;
    return Math.min(most, Math.floor(value));
  }
  const value = scale === 'log' ? from * (to / from) ** share : from + (to - from) * share;
  return Math.min(to, Math.max(from, Number(value.toPrecision(DRAWN_DIGITS))));
}

/** Throws ConfigError for keys that cannot vary, or that two sections set. */
function checkKeys({ set, shares, list = [], grid = {}, random, seeds }: SweepSection, file: string): void {
  const places = new Map<string, string>();
  for (const [place, keys] of [
    ['grid', Object.keys(grid)],
    ['random', Object.keys(random?.keys ?? {})],
    ['shares', Object.keys(shares)],
  ] as const) {
    for (const key of keys) {
      checkVaries(key, `"${place}"`, file);
      const other = places.get(key);
      if (other !== undefined) throw twice(file, key, other, `"${place}"`);
      places.set(key, `"${place}"`);
    }
  }
  const labels = new Set<string>();
  for (const { label, set, shares: ownShares } of list) {
    if (labels.has(label)) throw wrong(file, `two arms of "list" have the label "${label}"`);
    labels.add(label);
    for (const key of [...Object.keys(set), ...Object.keys(ownShares)]) {
      checkVaries(key, `the arm "${label}"`, file);
      if (places.has(key) && !Object.hasOwn(shares, key))
        throw twice(file, key, `the arm "${label}"`, places.get(key)!);
    }
  }
  for (const key of Object.keys(set)) {
    if (places.has(key)) throw twice(file, key, '"set"', places.get(key)!);
    if (key === 'name' || key === 'runs')
      throw wrong(file, `"set" has "${key}"`, `Give the sweep itself a key "${key}".`);
    if (key === 'seed' && seeds !== undefined) throw twice(file, key, '"set"', '"seeds"');
  }
}

const twice = (file: string, key: string, one: string, other: string): ConfigError =>
  wrong(file, `both ${one} and ${other} set "${key}"`, 'Leave it to one of them.');

function checkVaries(key: string, place: string, file: string): void {
  const [top] = key.split('.');
  if (key === 'seed') throw wrong(file, `${place} sets "seed"`, 'List the seeds with "seeds".');
  if (!(NOT_HASHED as readonly string[]).includes(top)) return;
  throw wrong(
    file,
    `${place} sets "${key}", but a trial is identified without it: two trials that differ only there are the same`,
    'Set it for the whole sweep, or in the config.',
  );
}
