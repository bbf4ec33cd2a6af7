import { CheckpointError } from '@graft/errors';
import { cacheFolder, makePrivateFolder, mendingCommand } from '@graft/files';
import { join } from 'node:path';

/** A folder in Graft's cache, made if it is missing. Throws CheckpointError if others could write to it. */
export function privateCacheFolder(...names: readonly string[]): string {
  const folder = join(cacheFolder(), ...names);
  const untrusted = makePrivateFolder(cacheFolder(), folder);
  if (!untrusted) return folder;
  const isError = untrusted.kind === 'error';
  throw new CheckpointError(
    isError
      ? `The cache folder ${folder} cannot be made: ${untrusted.reason}.`
      : `The cache folder ${untrusted.path} is not yours alone: ${untrusted.reason}.`,
    {
      code: 'checkpoint.cache',
      hint: `${isError ? 'Set' : `Run \`${mendingCommand(untrusted)}\`, or set`} GRAFT_CACHE to a folder of your own.`,
    },
  );
}
