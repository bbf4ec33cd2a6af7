import type { FoundFamily, LoadedClassifier, LoadedModel, Model, WeightPrecision } from '@graft/core';
import type { Engine } from '@graft/engine';
import type { CommandContext } from '../commands/shared/context';
import { specialTokensOf, type FamilyOptions } from '../commands/shared/options';
import { CommandLineError } from '../output/command-line-error';
import { openComponents } from './open-components';

/** What a command is, and what it needs of a model. */
export interface ModelUse {
  /** `graft embed` */
  readonly command: string;
  /** What the model's family does not do, if this model is not fit for the command: `has no states`. */
  readonly lacks?: (model: Model) => string | undefined;
}

type OpenOptions = FamilyOptions & { readonly weights?: WeightPrecision };

/**
 * A command's model, of the family that config.json names; reports unused tensors by name. Throws UsageError, which names
 * family and command, if they do not fit. The caller disposes it.
 */
export async function openModel(
  context: CommandContext,
  folder: string,
  engine: Engine,
  options: OpenOptions,
  { command, lacks }: ModelUse,
): Promise<LoadedModel> {
  const { loadCheckpoint, refuseCommand } = await import('@graft/core');
  const opened = await openComponents(context, options.plugin, engine);
  const loaded = await asOptions(options, () =>
    loadCheckpoint(folder, {
      ...opened,
      ...specialTokensOf(options),
      model: encoderOptions(options),
      weights: options.weights,
      adapter: options.adapter,
      check: (model: Model, found: FoundFamily) => {
        refuseEncoderOptions(folder, options, model);
        const what = lacks?.(model);
        if (what !== undefined) throw refuseCommand(found, command, what);
      },
    }),
  );
  const { unknownTensors: unknown } = loaded;
  if (unknown.length > 0)
    context.note(`${folder} holds ${unknown.length} tensors that the model has no use for: ${unknown.join(', ')}.`);
  return loaded;
}

/** The classifier of a command, like `openModel`. */
export async function openClassifier(
  context: CommandContext,
  folder: string,
  engine: Engine,
  options: FamilyOptions,
  command: string,
): Promise<LoadedClassifier> {
  const { loadClassifierCheckpoint } = await import('@graft/core');
  const opened = await openComponents(context, options.plugin, engine);
  const loaded = await asOptions(options, () =>
    loadClassifierCheckpoint(folder, command, {
      ...opened,
      ...specialTokensOf(options),
      model: encoderOptions(options),
    }),
  );
  try {
    refuseEncoderOptions(folder, options, loaded.classifier);
  } catch (error) {
    loaded.dispose();
    throw error;
  }
  if (loaded.unknownTensors.length > 0) context.note(`Tensors of no use here: ${loaded.unknownTensors.join(', ')}.`);
  return loaded;
}

const ENCODER_OPTIONS = [
  ['window', 'encoderWindow'],
  ['attention', 'encoderAttention'],
] as const;

/** The options of the command line that are options of a family. */
function encoderOptions(options: FamilyOptions): Record<string, unknown> {
  const given = ENCODER_OPTIONS.filter(([, name]) => options[name] !== undefined);
  return Object.fromEntries(given.map(([, name]) => [name, options[name]]));
}

function refuseEncoderOptions(folder: string, options: FamilyOptions, { kind }: Pick<Model, 'kind'>): void {
  for (const [option, name] of ENCODER_OPTIONS) {
    if (options[name] !== undefined && kind === 'decoder-only')
      throw new CommandLineError(`--encoder-${option} is given, but ${folder} is decoder-only and has no encoder.`);
  }
}

/** A family without one of the given options rejects it as an option of a config; here it came from the command line. */
async function asOptions<T>(options: FamilyOptions, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const names = ENCODER_OPTIONS.filter(([, name]) => options[name] !== undefined).map(
      ([name]) => `--encoder-${name}`,
    );
    if ((error as { code?: unknown }).code !== 'plugin.options' || names.length === 0) throw error;
    throw new CommandLineError(`${names.join(' and ')}: ${(error as Error).message}`);
  }
}
