import type { LoadedEvaluation, LoadedExperiment } from '@graft/core';
import type { Command } from 'commander';
import { defaultPlugins } from '../default-plugins';
import { CommandLineError } from '../output/command-line-error';
import type { CommandContext } from './shared/context';
import { collect } from './shared/options';
import { setOption } from './shared/runnable';

interface ConfigCommandOptions {
  readonly print?: boolean;
  readonly schema?: boolean;
  readonly check?: boolean;
  readonly evaluation?: boolean;
  readonly set?: readonly string[];
  readonly plugin?: readonly string[];
}

export function addConfigCommand(program: Command, context: CommandContext): void {
  program
    .command('config')
    .description('check a config without a run: print it as a run gets it, or a JSON Schema for editors')
    .argument('[config]', 'yaml, json, ts or js file (default: graft.config.* in this folder or above)')
    .option('--print', 'print the config with every default, all paths absolute and secrets as *** (the default)')
    .option('--schema', 'print the JSON Schema of configs with the loaded plugins; needs no config')
    .option('--check', 'print only whether the config is valid')
    .option('--evaluation', 'read the config as `graft evaluate` does, which needs no training sections')
    .option('--plugin <name>', 'also load this package or file; may be repeated', collect)
    .addOption(setOption('train.steps=100'))
    .action(async (file: string | undefined, options: ConfigCommandOptions) => {
      const { print, schema, check } = options;
      const given = Object.entries({ print, schema, check }).flatMap(([name, isSet]) => (isSet ? [`--${name}`] : []));
      if (given.length > 1) throw new CommandLineError(`Give ${given.slice(0, 2).join(' or ')}, not both.`);
      if (check) {
        const { config } = await load(context, file, options);
        return context.print(`The config of "${config.name}" is valid.`);
      }
      const value = options.schema ? await schemaOf(context, file, options) : await printed(context, file, options);
      context.print(JSON.stringify(value, null, 2));
    });
}

async function load(
  context: CommandContext,
  file: string | undefined,
  { set, plugin = [], evaluation }: ConfigCommandOptions,
): Promise<LoadedExperiment | LoadedEvaluation> {
  const { loadConfig, loadEvaluationConfig } = await import('@graft/core');
  const request = { file, overrides: set, plugins: [...defaultPlugins, ...plugin], onCode: context.noteCode };
  return evaluation ? loadEvaluationConfig(request) : loadConfig(request);
}

async function printed(
  context: CommandContext,
  file: string | undefined,
  options: ConfigCommandOptions,
): Promise<unknown> {
  const { maskedConfig } = await import('@graft/core');
  return maskedConfig((await load(context, file, options)).config);
}

/** Of the default plugins and those of `--plugin`, and of a config that is named. */
async function schemaOf(
  context: CommandContext,
  file: string | undefined,
  options: ConfigCommandOptions,
): Promise<unknown> {
  const { configJsonSchema, loadRegistry } = await import('@graft/core');
  if (file !== undefined) return configJsonSchema((await load(context, file, options)).registry);
  const plugins = [...defaultPlugins, ...(options.plugin ?? [])];
  return configJsonSchema(await loadRegistry(plugins, [process.cwd(), __dirname], { onCode: context.noteCode }));
}
