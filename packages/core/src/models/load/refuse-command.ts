import { UsageError } from '@graft/engine';
import type { FoundFamily } from './find-family';

/** The error for a command that needs an ability that the family lacks; `lacks`: `reads no classifiers`. */
export function refuseCommand(
  { id, plugin }: Pick<FoundFamily, 'id' | 'plugin'>,
  command: string,
  lacks: string,
): UsageError {
  return new UsageError(`${command} does not work on the model family "${id}" (${plugin}), which ${lacks}.`, {
    code: 'family.command',
  });
}
