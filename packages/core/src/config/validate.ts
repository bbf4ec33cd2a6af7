import { ConfigError } from '@graft/engine';
import { z } from 'zod';
import type { ComponentSpec } from '../components';
import type { InterfaceName } from '../plugin';
import type { Registry } from '../registry';
import { didYouMean } from '../suggest';
import { isObject, type ConfigTree, type Origins } from './merge';
import { PathResolver } from './paths';
import {
  COMPONENT_SECTIONS,
  EngineSection,
  PlainSections,
  TOP_LEVEL_KEYS,
  type EvaluatorSection,
  type ExperimentConfig,
} from './schema';
import { asSpec, checkingWith, fixComponent } from './sections';

/** One thing wrong with a config. */
export interface ConfigIssue {
  /** File, or `--set`. */
  readonly source: string;
  /** Key path, e.g. `optimizer.betas.1`. */
  readonly path: string;
  readonly message: string;
}

/** Every problem of a config at once. */
export class InvalidConfigError extends ConfigError {
  constructor(readonly issues: readonly ConfigIssue[]) {
    const lines = issues.map(({ source, path, message }) => `  ${source}: ${path}: ${message}`);
    super(issues.length === 1 ? lines[0].trim() : `${issues.length} problems in the config:\n${lines.join('\n')}`, {
      code: 'config.invalid',
    });
  }
}

class Checker {
  readonly issues: ConfigIssue[] = [];
  private readonly paths: PathResolver;

  constructor(
    private readonly registry: Registry,
    private readonly origins: Origins,
    workingFolder: string,
  ) {
    this.paths = new PathResolver(registry, origins, workingFolder);
  }

  complain(path: string, message: string): void {
    const issue = { source: this.origins.get(path)?.source ?? 'config', path, message };
    if (!this.issues.some((known) => known.path === path && known.message === message)) this.issues.push(issue);
  }

  plain<S extends z.ZodType>(schema: S, value: unknown, path: string): z.output<S> {
    // The default of a path is one written in the working directory.
    const parsed = schema.safeParse(this.paths.resolve(schema, value, path));
    if (!parsed.success) {
      this.collect(parsed.error.issues, path, schema);
      return undefined as z.output<S>;
    }
    return this.paths.resolve(schema, parsed.data, path) as z.output<S>;
  }

  component(interface_: InterfaceName, value: unknown, path: string): ComponentSpec {
    const resolved = this.paths.resolveComponent(interface_, value, path);
    const wrapper = z.unknown().transform((input, context) => fixComponent(interface_, input, context));
    const parsed = checkingWith(this.registry, () => wrapper.safeParse(resolved));
    if (parsed.success) return this.paths.resolveComponent(interface_, parsed.data, path) as ComponentSpec;
    this.collect(parsed.error.issues, path, this.schemaOf(interface_, value));
    return asSpec(value) as ComponentSpec;
  }

  private schemaOf(interface_: InterfaceName, value: unknown): z.core.$ZodType | undefined {
    const spec = asSpec(value);
    try {
      return isObject(spec) ? this.registry.find(interface_, String(spec.use)).definition.options : undefined;
    } catch {
      return undefined;
    }
  }

  private collect(issues: readonly z.core.$ZodIssue[], path: string, schema: z.core.$ZodType | undefined): void {
    for (const issue of issues) {
      const at = [path, ...issue.path.map(String)].join('.');
      if (issue.code === 'unrecognized_keys') {
        const known = knownKeys(schema, issue.path);
        for (const key of issue.keys) {
          const list = known.length > 0 ? `; known are ${known.join(', ')}` : '';
          this.complain(`${at}.${key}`, `unknown key${didYouMean(key, known) || list}`);
        }
      } else {
        this.complain(
          at,
          issue.message
            .replace(/^Invalid (input|option): /, '')
            .replace('received undefined', 'got nothing')
            .replace('received', 'got'),
        );
      }
    }
  }
}

/** Keys of the object schema at a path, for suggestions. */
function knownKeys(schema: z.core.$ZodType | undefined, path: readonly PropertyKey[]): string[] {
  let at = schema?._zod.def as
    | { type: string; shape?: Record<string, z.core.$ZodType>; innerType?: z.core.$ZodType; in?: z.core.$ZodType }
    | undefined;
  const unwrap = (): void => {
    while (at && at.type !== 'object' && (at.innerType ?? at.in)) at = (at.innerType ?? at.in)!._zod.def;
  };
  unwrap();
  for (const key of path) {
    at = at?.shape?.[String(key)]?._zod.def;
    unwrap();
  }
  return Object.keys(at?.shape ?? {});
}

/** A list section; a missing one is empty. */
function list(checker: Checker, value: unknown, path: string): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value as unknown[];
  checker.complain(path, `expected a list, got ${JSON.stringify(value)}`);
  return [];
}

const EVALUATOR_KEYS = z.object({
  name: z.string().min(1).optional(),
  every: z.number().int().nonnegative().default(0),
});

/** Splits core's own keys off an evaluator section. */
export function evaluatorSection(section: Readonly<Record<string, unknown>>): EvaluatorSection {
  const { name, every, ...component } = section;
  const spec = component as ComponentSpec;
  return {
    name: (name as string | undefined) ?? spec.use.split('/').pop()!,
    every: (every as number | undefined) ?? 0,
    component: spec,
  };
}

/**
 * Checks a merged config against core's schema and its components' and fills the defaults.
 * Throws InvalidConfigError with everything that is wrong.
 */
export function validateConfig(
  raw: ConfigTree,
  registry: Registry,
  origins: Origins,
  pluginNames: readonly string[],
  workingFolder: string,
): ExperimentConfig {
  const checker = new Checker(registry, origins, workingFolder);
  for (const key of Object.keys(raw)) {
    if (!(TOP_LEVEL_KEYS as readonly string[]).includes(key)) {
      checker.complain(
        key,
        `unknown key${didYouMean(key, TOP_LEVEL_KEYS) || `; known are ${TOP_LEVEL_KEYS.join(', ')}`}`,
      );
    }
  }
  const families = registry.list('model');
  const model = isObject(raw.model) || raw.model === undefined ? { ...raw.model } : raw.model;
  // The one family that is loaded needs no naming.
  if (isObject(model) && model.use === undefined && families.length === 1) model.use = families[0].definition.id;
  const sections: ConfigTree = { ...raw, model, schedule: raw.schedule ?? { use: 'constant' } };

  const components = {} as Record<(typeof COMPONENT_SECTIONS)[number], ComponentSpec>;
  for (const section of COMPONENT_SECTIONS) {
    if (sections[section] === undefined)
      checker.complain(section, `expected a component, e.g. { use: … }, got nothing`);
    else components[section] = checker.component(section, sections[section], section);
  }
  const engine = typeof raw.engine === 'string' ? { mode: raw.engine } : (raw.engine ?? {});
  const evaluators = list(checker, raw.evaluators, 'evaluators').map((value, i) => {
    const path = `evaluators.${i}`;
    const spec = asSpec(value);
    if (!isObject(spec)) return checker.component('evaluator', value, path);
    const { name, every, ...component } = spec;
    const own = checker.plain(EVALUATOR_KEYS, { name, every }, path) as z.output<typeof EVALUATOR_KEYS> | undefined;
    return { ...own, ...checker.component('evaluator', component, path) };
  });
  const config: ExperimentConfig = {
    name: checker.plain(PlainSections.name, raw.name, 'name'),
    seed: checker.plain(PlainSections.seed, raw.seed, 'seed'),
    plugins: pluginNames,
    engine: checker.plain(EngineSection, engine, 'engine'),
    ...components,
    evaluators,
    trackers: list(checker, raw.trackers, 'trackers').map((value, i) =>
      checker.component('tracker', value, `trackers.${i}`),
    ),
    callbacks: list(checker, raw.callbacks, 'callbacks').map((value, i) =>
      checker.component('callback', value, `callbacks.${i}`),
    ),
    train: checker.plain(PlainSections.train, raw.train, 'train'),
    runs: checker.plain(PlainSections.runs, raw.runs, 'runs'),
  };
  if (checker.issues.length > 0) throw new InvalidConfigError(checker.issues);
  return config;
}
