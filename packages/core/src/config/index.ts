import { ConfigError } from '@graft/engine';
import { dirname, isAbsolute, resolve } from 'node:path';
import { refuseDuplicates } from '../components/duplicates';
import type { Registry } from '../components/registry';
import type { OnCode } from './code';
import { show } from '../util/show';
import { Origins } from './merge';
import { isObject } from '../util/objects';
import { applyOverrides } from './overrides';
import { isFile, PluginLoader, type PluginReference } from './plugins';
import { ConfigReader, searchConfigFile } from './read';
import { ownersOf } from './trust';
import type { EvaluationConfig, ExperimentConfig, TrainingConfig } from './schema';
import { validateConfig, validateEvaluationConfig, type WrittenConfig } from './validate';

export { pathOption, componentOption, secret } from './options';
export {
  defineExperiment,
  SpecialTokensSection,
  type ExperimentConfig,
  type TrainingConfig,
  type EvaluationConfig,
  type ExperimentInput,
  type EvaluatorSection,
} from './schema';
export { parseOptions } from './parse-options';
export { InvalidConfigError, type ConfigIssue } from './issues';
export { evaluatorSection } from './validate';
export { configJsonSchema, type JsonSchema } from './json-schema';
export { componentTypes } from './component-type-text';
export { describeOptions, describeSections, type OptionDescription } from './describe-options';
export { loadPlugin, type PluginOptions, type PluginReference } from './plugins';
export { differingKeys, type DifferingKey } from './differences';
export { parseOverride } from './overrides';
export type { NamedCode, OnCode } from './code';

/** Where `loadConfig` finds a config, and what it changes in it. */
export interface LoadOptions {
  /** yaml, json, ts or js. Without `file` and `value`, `graft.config.*` is searched from `workingFolder` upwards. */
  file?: string;
  /** A config as a value; relative paths are resolved against `workingFolder`. */
  value?: object;
  /** `a.b=c`, applied in order. */
  overrides?: readonly string[];
  /** Plugins in addition to those that the config names; relative files are resolved against `workingFolder`. */
  plugins?: readonly PluginReference[];
  /** Default: the process's. */
  workingFolder?: string;
  /** Called with configs and plugins that are code before they run, except Graft's own plugins. */
  onCode?: OnCode;
}

/** A checked config of an experiment, and the components that it can name. */
export interface LoadedExperiment {
  readonly config: ExperimentConfig;
  readonly registry: Registry;
}

/** The same, with a number of steps: `withTrainingSteps` makes it. */
export interface LoadedTraining {
  readonly config: TrainingConfig;
  readonly registry: Registry;
  /** A sentence on how `train.tokens` or `train.epochs` became steps. Undefined: the config gives steps. */
  readonly stepsNote?: string;
}

/** Loads plugins into a registry: `graft plugins` needs no config. */
export async function loadRegistry(
  plugins: readonly PluginReference[],
  folders: readonly string[],
  { onCode }: { onCode?: OnCode } = {},
): Promise<Registry> {
  const loader = new PluginLoader(folders, { onCode });
  for (const reference of plugins) await loader.add(reference);
  refuseDuplicates();
  return loader.registry;
}

/** A checked config of evaluators, and the components that it can name. */
export interface LoadedEvaluation {
  readonly config: EvaluationConfig;
  readonly registry: Registry;
}

/** Reads, merges, checks and completes a config. Throws ConfigError, with all problems at once. */
export async function loadConfig(options: LoadOptions): Promise<LoadedExperiment> {
  const read = await readConfig(options);
  return { config: validateConfig(read), registry: read.registry };
}

/** The same for `runEvaluation`: objective, dataset, optimizer, schedule and train may be missing; evaluators may not. */
export async function loadEvaluationConfig(options: LoadOptions): Promise<LoadedEvaluation> {
  const read = await readConfig(options);
  return { config: validateEvaluationConfig(read), registry: read.registry };
}

async function readConfig(options: LoadOptions): Promise<WrittenConfig> {
  const workingFolder = resolve(options.workingFolder ?? process.cwd());
  const file = await findConfig(options, workingFolder);
  const origins = new Origins(file);
  const reader = new ConfigReader(origins, options.onCode);
  if (file !== undefined) await reader.addFile(file);
  if (options.value !== undefined) {
    if (!isObject(options.value)) throw new ConfigError('A config should be an object.', { code: 'config.shape' });
    await reader.addValue(options.value, { folder: workingFolder, source: 'config' });
  }
  const raw = reader.config;
  applyOverrides(raw, options.overrides ?? [], { folder: workingFolder, source: '--set' }, origins);

  const named = raw.plugins ?? [];
  if (!Array.isArray(named)) {
    throw new ConfigError(`plugins: expected a list, got ${show(named)}.`, { code: 'config.plugins' });
  }
  const configFolder = file === undefined ? workingFolder : dirname(file);
  const plugins = new PluginLoader([configFolder, workingFolder], {
    onCode: options.onCode,
    owners: file === undefined ? [] : ownersOf(configFolder),
  });
  for (const reference of options.plugins ?? []) {
    await plugins.add(
      typeof reference === 'string' && isFile(reference) ? resolve(workingFolder, reference) : reference,
    );
  }
  for (const [i, reference] of (named as PluginReference[]).entries()) {
    const { folder, source } = origins.get(`plugins.${i}`) ?? {};
    // The owner of an explicitly named config is trusted.
    const owners = folder !== undefined && source !== undefined && isAbsolute(source) ? ownersOf(folder) : [];
    await plugins.add(reference, folder, owners);
  }
  refuseDuplicates();
  const { registry, names } = plugins;
  return { written: raw, registry, origins, pluginNames: names, workingFolder };
}

/** The file to read; undefined if only a value is. */
async function findConfig({ file, value }: LoadOptions, workingFolder: string): Promise<string | undefined> {
  if (file !== undefined) return resolve(workingFolder, file);
  if (value !== undefined) return undefined;
  const found = await searchConfigFile(workingFolder);
  if (found !== undefined) return found;
  throw new ConfigError(
    `No config was named, and no graft.config.yaml (or .json, .ts, .js) or .graftrc is in ${workingFolder} or above it.`,
    { code: 'config.none' },
  );
}
