import type { GemmaOptions, LoadedModel, WeightPrecision } from '@graft/gemma';
import type { CommandContext } from './context';
import { UsageMistake } from './report-error';

/** A command's model; tells of tensors that it has no use for, by name. The caller disposes it. */
export async function openModel(
  context: CommandContext,
  folder: string,
  options: GemmaOptions & { readonly weights?: WeightPrecision },
): Promise<LoadedModel> {
  const { loadModel } = await import('@graft/gemma');
  const loaded = await loadModel(folder, options);
  for (const [option, value] of [
    ['window', options.encoderWindow] as const,
    ['attention', options.encoderAttention] as const,
  ]) {
    if (value === undefined || loaded.model.kind === 'encoder-decoder') continue;
    loaded.dispose();
    throw new UsageMistake(`--encoder-${option} is given, but ${folder} is decoder-only and has no encoder.`);
  }
  const { unknownTensors: unknown } = loaded;
  if (unknown.length > 0)
    context.note(`${folder} holds ${unknown.length} tensors that the model has no use for: ${unknown.join(', ')}.`);
  return loaded;
}
