import { stat } from 'node:fs/promises';
import { convertedGguf } from './converted-gguf';
import { isModelPath, namedModelFolder } from './named-models';

/** Whether a path is that of a GGUF file, by its name. */
export const isGgufPath = (path: string): boolean => /\.gguf$/i.test(path);

/**
 * The folder or file in which a checkpoint is, for a path as users write it: a place is returned as it is,
 * `model:NAME` is a folder that `graft model get` has made, and a GGUF file is converted into Graft's cache, once.
 * Throws CheckpointError for a model that is unknown or not here, and as `importGguf` does.
 */
export async function checkpointPath(path: string): Promise<string> {
  if (isModelPath(path)) return namedModelFolder(path);
  if (!isGgufPath(path)) return path;
  const entry = await stat(path).catch(() => undefined);
  return entry?.isDirectory() ? path : convertedGguf(path);
}
