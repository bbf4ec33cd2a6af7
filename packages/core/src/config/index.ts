import { ConfigError } from '@graft/engine';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Registry } from '../registry';
import { isObject, mergeConfig, Origins, type ConfigTree } from './merge';
import { applyOverrides } from './overrides';
import { loadPlugin, type PluginReference } from './plugins';
import { readConfigFile, searchConfigFile } from './read';
import type { ExperimentConfig } from './schema';
import { validateConfig } from './validate';

export { pathOption, componentOption } from './markers';
export { defineExperiment, type ExperimentConfig, type ExperimentInput, type EvaluatorSection } from './schema';
export { InvalidConfigError, evaluatorSection, type ConfigIssue } from './validate';
export { loadPlugin, type PluginReference } from './plugins';
export { parseOverride } from './overrides';

export interface LoadOptions {
  /** yaml, json, ts or js. Without `file` and `value`, `graft.config.*` is searched from `workingFolder` upwards. */
  file?: string;
  /** A config as a value; relative paths belong to `workingFolder`. */
  value?: object;
  /** `a.b=c`, applied in order. */
  overrides?: readonly string[];
  /** Plugins beside those that the config names. */
  plugins?: readonly PluginReference[];
  /** Default: the process's. */
  workingFolder?: string;
}

export interface LoadedExperiment {
  readonly config: ExperimentConfig;
  readonly registry: Registry;
}

/** Loads plugins into a registry: `graft plugins` needs no config. */
export async function loadRegistry(plugins: readonly PluginReference[], folders: readonly string[]): Promise<Registry> {
  const registry = new Registry();
  for (const reference of plugins) {
    const { plugin, origin } = await loadPlugin(reference, folders);
    registry.register(plugin, origin);
  }
  return registry;
}

/**
 * Reads, merges, checks and completes a config. Throws ConfigError, with every problem at once where there are several.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedExperiment> {
  const workingFolder = resolve(options.workingFolder ?? process.cwd());
  const origins = new Origins();
  const raw: ConfigTree = {};
  let file = options.file && resolve(workingFolder, options.file);
  if (!file && !options.value) {
    file = await searchConfigFile(workingFolder);
    if (!file)
      throw new ConfigError(
        `No config was named, and no graft.config.yaml (or .json, .ts, .js) is in ${workingFolder}.`,
        { code: 'config.none' },
      );
  }
  if (file) {
    if (!existsSync(file))
      throw new ConfigError(`${file} cannot be read as a config: there is no such file.`, {
        code: 'config.unreadable',
      });
    await readConfigFile(file, raw, origins);
  }
  if (options.value) {
    if (!isObject(options.value)) throw new ConfigError('A config should be an object.', { code: 'config.shape' });
    const { extends: bases, ...own } = options.value;
    for (const base of bases === undefined ? [] : [bases].flat())
      await readConfigFile(resolve(workingFolder, base as string), raw, origins);
    mergeConfig(raw, own, { folder: workingFolder, source: 'config' }, origins);
  }
  applyOverrides(raw, options.overrides ?? [], { folder: workingFolder, source: '--set' }, origins);

  const configFolder = file ? dirname(file) : workingFolder;
  const named = raw.plugins === undefined ? [] : raw.plugins;
  if (!Array.isArray(named))
    throw new ConfigError(`plugins: expected a list, got ${JSON.stringify(named)}.`, { code: 'config.plugins' });
  const folders = [...new Set([configFolder, workingFolder, __dirname])];
  const registry = new Registry();
  const names: string[] = [];
  const seen = new Set<unknown>();
  for (const [i, reference] of [...(options.plugins ?? []), ...(named as PluginReference[])].entries()) {
    // A resolved config names the default plugins too; loading it again must not register them twice.
    if (seen.has(reference)) continue;
    seen.add(reference);
    const index = i - (options.plugins?.length ?? 0);
    const home = index >= 0 ? origins.get(`plugins.${index}`)?.folder : undefined;
    const { plugin, origin } = await loadPlugin(reference, home ? [...new Set([home, ...folders])] : folders);
    registry.register(plugin, origin);
    names.push(typeof reference === 'string' ? (origin.startsWith('package ') ? reference : origin) : plugin.name);
  }
  return { config: validateConfig(raw, registry, origins, names, workingFolder), registry };
}
