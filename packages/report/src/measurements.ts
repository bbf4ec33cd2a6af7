/**
 * What the evaluations of some runs measured, and on what data: only numbers of the same measurement are comparable.
 */
import { differingKeys, type EvaluationRecord } from '@graft/core';
import { stableJson } from '@graft/core/internal';
import type { RunData } from './read-run';

/** The evaluations of some runs that measured the same on the same data. */
export interface Measurement {
  /** Unique among the measurements. */
  readonly key: string;
  /** The evaluator's name; if several measurements share it, with the settings that distinguish this one. */
  readonly title: string;
  /** Whether another measurement shares one of its evaluator names. */
  readonly isOneOfSeveral: boolean;
  /** The component: `loss`. Undefined if the config does not name it. */
  readonly use?: string;
  readonly members: readonly Member[];
}

export interface Member {
  /** Index of the run. */
  readonly run: number;
  readonly evaluator: string;
  /** The evaluator's last evaluation. */
  readonly last: EvaluationRecord;
}

/** Maximum number of keys that a title names. */
const NAMED_KEYS = 3;
const LONGEST_VALUE = 60;

/**
 * Groups evaluations by their evaluator's section of the config, without its name and interval. For an evaluator with a
 * dataset but without an objective, the run's own objective is part of the group.
 */
export function measurements(runs: readonly RunData[]): Measurement[] {
  const groups = new Map<string, { what: Readonly<Record<string, unknown>>; members: Member[] }>();
  for (const [run, { config, evaluations }] of runs.entries()) {
    const last = new Map(evaluations.map((record) => [record.evaluator, record]));
    for (const [evaluator, record] of last) {
      const what = whatOf(config, evaluator);
      const key = stableJson(what);
      if (!groups.has(key)) groups.set(key, { what, members: [] });
      groups.get(key)!.members.push({ run, evaluator, last: record });
    }
  }
  const all = [...groups].map(([key, group]) => ({ key, ...group, name: nameOf(group.members) }));
  return all.map(({ key, what, members, name }) => {
    const names = new Set(members.map(({ evaluator }) => evaluator));
    const namesakes = all.filter((other) => other.members.some(({ evaluator }) => names.has(evaluator)));
    const apart = namesakes.length > 1 ? distinction(what, namesakes) : '';
    return {
      key,
      title: apart ? `${name} (${apart})` : name,
      isOneOfSeveral: namesakes.length > 1,
      use: typeof what.use === 'string' ? what.use : undefined,
      members,
    };
  });
}

const nameOf = (members: readonly Member[]): string =>
  [...new Set(members.map(({ evaluator }) => evaluator))].join(', ');

/** The part of an evaluator's section that determines what it measures. */
function whatOf(config: Readonly<Record<string, unknown>>, evaluator: string): Readonly<Record<string, unknown>> {
  const sections = Array.isArray(config.evaluators) ? (config.evaluators as unknown[]) : [];
  const section = sections.map(asRecord).find(({ name, use }) => (name ?? use) === evaluator);
  // If the config lacks the section, only the evaluator's name is known.
  if (section === undefined) return { evaluator };
  const { name: _name, every: _every, ...what } = section;
  return what.dataset !== undefined && what.objective === undefined ? { ...what, objective: config.objective } : what;
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : typeof value === 'string'
      ? { use: value }
      : {};

/** `objective.use prefix-lm, batches 4`: the values that distinguish a measurement from others with the same name. */
function distinction(
  what: Readonly<Record<string, unknown>>,
  namesakes: readonly { readonly what: Readonly<Record<string, unknown>> }[],
): string {
  const own = namesakes.findIndex((one) => one.what === what);
  const keys = differingKeys(namesakes.map((one) => one.what)).filter(({ values }) => values[own] !== undefined);
  const named = keys.slice(0, NAMED_KEYS).map(({ path, values }) => {
    const value = values[own]!.replace(/^"|"$/g, '');
    return `${path} ${value.length > LONGEST_VALUE ? `…${value.slice(-LONGEST_VALUE)}` : value}`;
  });
  const more = keys.length - named.length;
  if (named.length === 0) return `variant ${own + 1}`;
  return named.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Metrics that count the measured tokens or examples: runs with different counts measured different data. */
const COUNTS = /(^|\/)(tokens|examples)(\/|$)/;

/** The smallest and largest count, if the runs of a measurement have different ones; otherwise undefined. */
export function differingCounts(members: readonly Member[]): { least: number; most: number } | undefined {
  const metrics = new Set(members.flatMap(({ last }) => Object.keys(last.metrics)).filter((one) => COUNTS.test(one)));
  for (const metric of metrics) {
    const counts = members.map(({ last }) => last.metrics[metric]).filter(Number.isFinite);
    const [least, most] = [Math.min(...counts), Math.max(...counts)];
    if (least < most) return { least, most };
  }
  return undefined;
}
