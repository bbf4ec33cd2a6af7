import { UsageError } from '@graft/errors';
import { lstat, realpath, stat } from 'node:fs/promises';
import { SafetensorsReader } from '../safetensors/reader';

/** Key of a safetensors file's metadata that names the command that wrote it. */
const WRITTEN_BY = 'written_by';

/** How a command writes its output file. */
export interface OutputOptions {
  /** The command, as users know it: `graft embed`. */
  readonly command: string;
  /**
   * Whether an existing file was written by that command, which may write it again. Default: no existing file counts as
   * such.
   */
  readonly isOwn?: (file: string) => Promise<boolean>;
  /** The user wants an existing file to be overwritten, whatever it is. */
  readonly force?: boolean;
}

/**
 * The path to which a command may write its output: `file`, or its target if it is a link. Throws UsageError if a file
 * exists that the command did not write, unless `force`; an empty file may be overwritten. Devices and folders are
 * never overwritten.
 */
export async function outputFile(file: string, { command, isOwn, force = false }: OutputOptions): Promise<string> {
  const entry = await lstat(file).catch((error: NodeJS.ErrnoException) => {
    // All other problems are reported by the write itself.
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  if (!entry) return file;
  const refused = (problem: string, hint: string): UsageError =>
    new UsageError(`${file} ${problem}.`, { code: 'output.exists', hint });
  const target = await realpath(file).catch(() => undefined);
  if (target === undefined) throw refused('is a link that leads nowhere', 'Remove it, or name another file.');
  const found = await stat(target);
  if (found.isDirectory()) throw refused('is a folder', 'Name a file.');
  if (!found.isFile()) throw refused('is not a regular file', 'Name a file.');
  if (force || found.size === 0) return target;
  if (await isOwn?.(target).catch(() => false)) return target;
  throw refused(
    isOwn ? `exists already, and \`${command}\` did not write it` : 'exists already',
    'Name another file, or have it overwritten with --force.',
  );
}

/** Metadata for `writeHostTensors` that records which command wrote a file. */
export const writtenBy = (command: string): Readonly<Record<string, string>> => ({ [WRITTEN_BY]: command });

/** `outputFile` for a safetensors file: one with the same command in its metadata may be written again. */
export function outputTensors(file: string, command: string, force?: boolean): Promise<string> {
  const isOwn = async (target: string): Promise<boolean> => {
    const reader = await SafetensorsReader.open(target);
    await reader.close();
    return Object.hasOwn(reader.metadata, WRITTEN_BY) && reader.metadata[WRITTEN_BY] === command;
  };
  return outputFile(file, { command, isOwn, force });
}
