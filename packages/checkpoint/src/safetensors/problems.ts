import { CheckpointError } from '@graft/engine';
import { fileReason } from '@graft/engine/internal';

/** A safetensors file that is truncated, or whose header contradicts itself or the file. */
export function malformed(file: string, problem: string): CheckpointError {
  return new CheckpointError(`${file} is not a whole safetensors file: ${problem}.`, {
    code: 'checkpoint.malformed',
    hint: 'Copy or download the file again.',
  });
}

/** A file, or a part of it, that lost or changed bytes since it was written. */
export function otherBytes(file: string, part: string): CheckpointError {
  return new CheckpointError(`${file} is damaged: ${part} does not hold what was written.`, {
    code: 'checkpoint.digest',
    hint: 'Copy the file again, or use another checkpoint of the run, if there is one beside it.',
  });
}

const NOWHERE = ['ENOENT', 'ENOTDIR'];

export function unreadable(file: string, cause: unknown): CheckpointError {
  if (cause instanceof CheckpointError) return cause;
  // What is not there was named wrongly; everything else is a failure of the disk or of a copy.
  const exitCode = NOWHERE.includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '') ? 2 : 1;
  return new CheckpointError(`${file} cannot be read: ${fileReason(cause)}.`, {
    code: 'checkpoint.unreadable',
    exitCode,
    cause,
  });
}
