import type { z } from 'zod';
import type { ComponentSpec, InterfaceName } from '../interfaces';
import type { Registry } from '../components/registry';
import { Checker } from './check';
import { InvalidConfigError, unknownKey } from './issues';
import { expandedSection, type ConfigTree, type Origins } from './merge';
import { problemOfWatched } from './metric-names';
import { isObject } from '../util/objects';
import {
  COMPONENT_SECTIONS,
  EngineSection,
  EvaluatorKeys,
  PlainSections,
  TOP_LEVEL_KEYS,
  TRAINING_SECTIONS,
  type ComponentSection,
  type EvaluationConfig,
  type EvaluatorSection,
  type ExperimentConfig,
} from './schema';
import { asSpec } from './sections';

/** A list section; empty if it is missing. */
function list(checker: Checker, value: unknown, path: string): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value as unknown[];
  checker.expect(path, 'list', value);
  return [];
}

/** Separates core's own keys from an evaluator section. */
export function evaluatorSection(section: Readonly<Record<string, unknown>>): EvaluatorSection {
  const { name, every, ...component } = section;
  const spec = component as ComponentSpec;
  return {
    name: (name as string | undefined) ?? spec.use.split('/').pop()!,
    every: (every as number | undefined) ?? 0,
    component: spec,
  };
}

function checkEvaluators(checker: Checker, value: unknown): ExperimentConfig['evaluators'] {
  const taken = new Map<string, string>();
  const own = Object.keys(EvaluatorKeys.shape);
  return list(checker, value, 'evaluators').map((item, i) => {
    const path = `evaluators.${i}`;
    const spec = asSpec(item);
    if (!isObject(spec)) return checker.component('evaluator', item, path);
    const { name, every, ...component } = spec;
    const section = {
      ...checker.plain(EvaluatorKeys, { name, every }, path),
      ...checker.component('evaluator', component, path, own),
    };
    if (typeof section.use !== 'string') return section;
    const called = evaluatorSection(section).name;
    const other = taken.get(called);
    if (other !== undefined) {
      const message = `"${called}" is what ${other} is called already; give one of them a name of its own`;
      checker.addIssue(`${path}.name`, { message, got: JSON.stringify(called) });
    }
    taken.set(called, path);
    return section;
  });
}

function checkModel(checker: Checker, registry: Registry, written: unknown): ComponentSpec {
  const families = registry.names('model');
  const section = written === undefined ? {} : asSpec(written);
  // A single loaded family need not be named.
  const named =
    isObject(section) && section.use === undefined && families.length === 1
      ? { use: families[0], ...section }
      : section;
  return checker.component('model', named, 'model');
}

/** A merged config that is to be checked. */
export interface WrittenConfig {
  readonly written: ConfigTree;
  readonly registry: Registry;
  readonly origins: Origins;
  readonly pluginNames: readonly string[];
  readonly workingFolder: string;
}

/**
 * Checks a merged config against the schemas of core and of its components, and fills the defaults. Throws
 * InvalidConfigError with all problems.
 */
export function validateConfig(config: WrittenConfig): ExperimentConfig {
  return validate(config, false) as ExperimentConfig;
}

/** The same for an evaluation: sections that only training needs may be missing, but there must be an evaluator. */
export function validateEvaluationConfig(config: WrittenConfig): EvaluationConfig {
  return validate(config, true);
}

function validate(
  { written, registry, origins, pluginNames, workingFolder }: WrittenConfig,
  forEvaluation: boolean,
): EvaluationConfig {
  const checker = new Checker(registry, origins, workingFolder);
  // `trackers:` with nothing after it means an empty list, which drops those of a base.
  const raw: ConfigTree = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== null));
  for (const key of Object.keys(raw)) {
    if (!(TOP_LEVEL_KEYS as readonly string[]).includes(key)) {
      checker.addIssue(key, unknownKey(key, [], TOP_LEVEL_KEYS));
    }
  }
  const mayMiss = (key: string): boolean =>
    forEvaluation && (TRAINING_SECTIONS as readonly string[]).includes(key) && raw[key] === undefined;
  const section = (name: ComponentSection): ComponentSpec => {
    if (name === 'model') return checkModel(checker, registry, raw.model);
    const value = raw[name] ?? (name === 'schedule' ? { use: 'constant' } : undefined);
    return checker.component(name, value, name);
  };
  const plain = <K extends keyof typeof PlainSections>(key: K): z.output<(typeof PlainSections)[K]> =>
    checker.plain(PlainSections[key], raw[key], key) as z.output<(typeof PlainSections)[K]>;
  const components = (interface_: InterfaceName, key: string): ComponentSpec[] =>
    list(checker, raw[key], key).map((value, i) => checker.component(interface_, value, `${key}.${i}`));
  const engine = typeof raw.engine === 'string' ? expandedSection('engine', raw.engine) : (raw.engine ?? {});

  // Undefined values below were reported already, or may be missing.
  const config: EvaluationConfig = {
    name: plain('name'),
    seed: plain('seed'),
    plugins: pluginNames,
    engine: checker.plain(EngineSection, engine, 'engine') as z.output<typeof EngineSection>,
    ...(Object.fromEntries(
      COMPONENT_SECTIONS.filter((name) => !mayMiss(name)).map((name) => [name, section(name)]),
    ) as Record<ComponentSection, ComponentSpec>),
    ...(raw.specialTokens === undefined ? {} : { specialTokens: plain('specialTokens') }),
    evaluators: checkEvaluators(checker, raw.evaluators),
    trackers: components('tracker', 'trackers'),
    callbacks: components('callback', 'callbacks'),
    ...(mayMiss('train') ? {} : { train: plain('train') }),
    runs: plain('runs'),
  };
  if (forEvaluation && config.evaluators.length === 0)
    checker.expect('evaluators', 'at least one evaluator', raw.evaluators);
  if (!forEvaluation) checkChoices(checker, config);
  if (checker.issues.length > 0) throw new InvalidConfigError(checker.issues);
  return config;
}

/** Training may choose by a metric only if an evaluator measures it on the way. */
function checkChoices(checker: Checker, { train, evaluators }: EvaluationConfig): void {
  // What is wrong with the evaluators themselves is reported already.
  if (checker.issues.some(({ path }) => path === 'evaluators' || path.startsWith('evaluators.'))) return;
  const measured = evaluators.map(evaluatorSection);
  for (const option of ['keepBest', 'stopWhen'] as const) {
    const watched = train?.[option];
    const problem = watched && problemOfWatched(watched, measured);
    if (problem === undefined) continue;
    const got = JSON.stringify(watched!.metric);
    checker.addIssue(`train.${option}.metric`, { message: `is ${got}, but ${problem}`, got });
  }
}
