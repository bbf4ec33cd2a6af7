import { CheckpointError } from '@graft/engine';

/** A safetensors file that is cut, or whose header contradicts itself or the file. */
export function malformed(file: string, problem: string): CheckpointError {
  return new CheckpointError(`${file} is not a whole safetensors file: ${problem}.`, {
    code: 'checkpoint.malformed',
    hint: 'Copy or download the file again.',
  });
}

/** What the operating system's error codes mean; undefined for those that need no translation. */
export function reasonOf(cause: unknown): string | undefined {
  switch ((cause as NodeJS.ErrnoException | undefined)?.code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'ENOTDIR':
      return 'a part of its path is not a folder';
    case 'EISDIR':
      return 'it is a folder';
    case 'EROFS':
      return 'the file system is read-only';
    case 'EIO':
      return 'the disk reports an error';
    case 'EMFILE':
      return 'too many files are open';
    default:
      return undefined;
  }
}

const NOWHERE = ['ENOENT', 'ENOTDIR'];

export function unreadable(file: string, cause: unknown): CheckpointError {
  if (cause instanceof CheckpointError) return cause;
  const reason = reasonOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  // What is not there was named wrongly; everything else is a failure of the disk or of a copy.
  const exitCode = NOWHERE.includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '') ? 2 : 1;
  return new CheckpointError(`${file} cannot be read: ${reason}.`, { code: 'checkpoint.unreadable', exitCode, cause });
}

/** 1536 → `1.5 KiB`. */
export function formatSize(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${unit === 0 ? bytes : (bytes / 1024 ** unit).toFixed(1)} ${units[unit]}`;
}
