import type { AnyGemma, GemmaOptions, LoadedModel, WeightPrecision } from '@graft/gemma';
import type { CommandContext } from '../commands/shared/context';
import { CommandLineError } from '../output/command-line-error';

type OpenOptions = GemmaOptions & { readonly weights?: WeightPrecision };

/** A command's model, which must be generative; reports unused tensors by name. The caller disposes it. */
export async function openModel(context: CommandContext, folder: string, options: OpenOptions): Promise<LoadedModel> {
  const { loadModel } = await import('@graft/gemma');
  return checked(context, folder, options, await loadModel(folder, options));
}

/** Like `openModel`, but for a model of any kind: for commands that also work with an encoder alone. */
export async function openAnyModel(
  context: CommandContext,
  folder: string,
  options: OpenOptions,
): Promise<LoadedModel<AnyGemma>> {
  const { loadAnyModel } = await import('@graft/gemma');
  return checked(context, folder, options, await loadAnyModel(folder, options));
}

function checked<L extends LoadedModel<AnyGemma>>(
  context: CommandContext,
  folder: string,
  options: OpenOptions,
  loaded: L,
): L {
  for (const [option, value] of [
    ['window', options.encoderWindow] as const,
    ['attention', options.encoderAttention] as const,
  ]) {
    if (value === undefined || loaded.model.kind !== 'decoder-only') continue;
    loaded.dispose();
    throw new CommandLineError(`--encoder-${option} is given, but ${folder} is decoder-only and has no encoder.`);
  }
  const { unknownTensors: unknown } = loaded;
  if (unknown.length > 0)
    context.note(`${folder} holds ${unknown.length} tensors that the model has no use for: ${unknown.join(', ')}.`);
  return loaded;
}
