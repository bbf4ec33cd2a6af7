import { messageOf } from '@graft/errors';

/** Why a file cannot be read. The message is a clause: `it is a FIFO, not a regular file`. */
export class FileProblem extends Error {
  constructor(
    message: string,
    /** The system's code (`ENOENT`, `EISDIR`, ...), `NOT_REGULAR`, `TOO_LARGE`, `NO_WRITER`, `NOT_UTF8`. */
    readonly code: string | undefined,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'FileProblem';
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTDIR: 'a part of its path is not a folder',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
  EROFS: 'the file system is read-only',
  EIO: 'the disk reports an error',
  EMFILE: 'too many files are open',
  EAGAIN: 'it has no data to read now',
  ENXIO: 'nothing is behind its name',
};

/** Why the system rejected a file, as a clause: the meaning of the error code, otherwise the error's message. */
export function fileReason(cause: unknown): string {
  return REASONS[(cause as NodeJS.ErrnoException | null | undefined)?.code ?? ''] ?? messageOf(cause);
}

export function problemOf(cause: unknown): FileProblem {
  if (cause instanceof FileProblem) return cause;
  return new FileProblem(fileReason(cause), (cause as NodeJS.ErrnoException).code, cause);
}
