import type { GemmaOptions, LoadedModel, WeightPrecision } from '@graft/gemma';
import type { CommandContext } from './context';

/** A command's model; tells of tensors that it has no use for, by name. The caller disposes it. */
export async function openModel(
  context: CommandContext,
  folder: string,
  options: GemmaOptions & { readonly weights?: WeightPrecision },
): Promise<LoadedModel> {
  const { loadModel } = await import('@graft/gemma');
  const loaded = await loadModel(folder, options);
  const { unknownTensors: unknown } = loaded;
  if (unknown.length > 0)
    context.note(`${folder} holds ${unknown.length} tensors that the model has no use for: ${unknown.join(', ')}.`);
  return loaded;
}
