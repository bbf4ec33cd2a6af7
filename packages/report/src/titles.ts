/** What runs and models are called on a page: short, and no two alike. */
import { differingKeys } from '@graft/core';
import { settingText, shortKeys } from '@graft/core/internal';
import type { RunData } from './read-run';

type Config = RunData['config'];

/** Settings in a title; with more of them an id is shorter. */
const MOST_SETTINGS = 4;
/** Never what a reader tells runs apart by: the steps say the same. */
const NOT_SHOWN = /^(name|runs|trackers|plugins|train\.stepsFrom)(\.|$)/;

/**
 * A title for each run: its name where no other run has it, otherwise with the settings in which runs of that name
 * differ, as the trials of a sweep do (`rates learningRate=0.01 seed=1`). Where settings do not tell them apart, or are
 * many, it is `name/id`.
 */
export function shortTitles(runs: readonly RunData[]): string[] {
  const settings = settingsByName(
    runs.map(({ record, config }) => ({ name: record.name, config })),
    NOT_SHOWN,
  );
  return runs.map(({ record, title }, run) => {
    if (runs.filter((other) => other.record.name === record.name).length === 1) return record.name || title;
    return settings[run] === undefined ? title : `${record.name} ${settings[run]}`;
  });
}

/** A run, or several of one config. */
export interface Named {
  readonly name: string;
  readonly config: Config;
}

/** For each, in what it differs from others of its name; undefined where that does not tell them apart. */
export function settingsByName(all: readonly Named[], without: RegExp): (string | undefined)[] {
  const texts: (string | undefined)[] = all.map(() => undefined);
  for (const name of new Set(all.map((one) => one.name))) {
    const own = [...all.keys()].filter((i) => all[i].name === name);
    const found = settingsOf(
      own.map((i) => all[i].config),
      without,
    );
    own.forEach((i, at) => (texts[i] = found?.[at]));
  }
  return texts;
}

function settingsOf(configs: readonly Config[], without: RegExp): string[] | undefined {
  const differing = differingKeys(configs).filter(({ path }) => !without.test(path));
  const uses = differing.filter(({ path }) => path.endsWith('.use'));
  // Of two components, all options differ: their names say enough, unless an option differs within one of them.
  const told = differing.filter(({ path, values }) =>
    uses.every(({ path: use, values: components }) => {
      if (path === use || !path.startsWith(use.slice(0, -'use'.length))) return true;
      return [...new Set(components)].some(
        (component) => new Set(values.filter((_, i) => components[i] === component)).size > 1,
      );
    }),
  );
  if (told.length === 0 || told.length > MOST_SETTINGS) return undefined;
  const keys = shortKeys(told.map(({ path }) => path.replace(/\.use$/, '')));
  const texts = configs.map((_, i) =>
    told
      .map(({ values }, key) => `${keys[key]}=${values[i] === undefined ? 'null' : settingText(JSON.parse(values[i]))}`)
      .join(' '),
  );
  return new Set(texts).size === texts.length ? texts : undefined;
}

/** What tells models apart, each of one run or of several seeds: not the seed. */
export const settingsOfModels = (models: readonly Named[]): (string | undefined)[] =>
  settingsByName(models, new RegExp(`${NOT_SHOWN.source}|^seed$`));
