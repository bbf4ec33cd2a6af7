import { CheckpointError } from '@graft/errors';

/** A GGUF file that is truncated, or that contradicts itself or its size. `problem`: a clause. */
export function malformedGguf(file: string, problem: string): CheckpointError {
  return new CheckpointError(`${file} is not a whole GGUF file: ${problem}.`, {
    code: 'checkpoint.malformed',
    hint: 'Copy or download the file again.',
  });
}

/** A whole file with something that Graft does not read. `problem`: a clause that names it and what is known. */
export function unsupportedGguf(file: string, problem: string, hint?: string): CheckpointError {
  return new CheckpointError(`${file} cannot be imported: ${problem}.`, {
    code: 'checkpoint.gguf-unsupported',
    exitCode: 2,
    hint,
  });
}
