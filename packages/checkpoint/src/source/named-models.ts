import { CheckpointError } from '@graft/errors';
import { cacheFolder } from '@graft/files';
import { join } from 'node:path';
import { exists } from '../folder/names';

/** What a path to a model by name begins with. */
export const MODEL_PREFIX = 'model:';

/** The models that `graft model get` fetches. */
export const MODEL_NAMES = ['gemma-3-270m', 'smollm2-135m-instruct'] as const;
export type ModelName = (typeof MODEL_NAMES)[number];

/** Whether it is the name of a model that `graft model get` fetches. */
export const isModelName = (name: string): name is ModelName => (MODEL_NAMES as readonly string[]).includes(name);

/** Whether a path names a model (`model:smollm2-135m-instruct`) instead of a place. */
export const isModelPath = (path: string): boolean => path.startsWith(MODEL_PREFIX);

/** Where a model is kept when it has been fetched: a Hugging Face folder in Graft's cache. */
export const modelFolder = (name: ModelName): string => join(cacheFolder(), 'models', name);

/**
 * The folder of a path like `model:smollm2-135m-instruct`. Throws CheckpointError for an unknown name, and for a model
 * that has not been fetched yet.
 */
export async function namedModelFolder(path: string): Promise<string> {
  const name = path.slice(MODEL_PREFIX.length);
  if (!isModelName(name))
    throw new CheckpointError(
      `${path} is not a model that Graft knows; there are ${MODEL_NAMES.map((known) => MODEL_PREFIX + known).join(', ')}.`,
      {
        code: 'checkpoint.model-unknown',
        exitCode: 2,
        hint: '`graft model list` says what they are.',
      },
    );
  const folder = modelFolder(name);
  if (await exists(folder)) return folder;
  throw new CheckpointError(`The model ${name} is not here yet: there is no ${folder}.`, {
    code: 'checkpoint.model-missing',
    exitCode: 2,
    hint: `Fetch it with \`graft model get ${name}\`.`,
  });
}
