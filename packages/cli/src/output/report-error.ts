import { join, sep } from 'node:path';
import { inspect, types } from 'node:util';
import { redact } from '@graft/core/redact';
import { GraftError } from '@graft/errors';

/** `instanceof` fails for errors of another realm, such as the system's in a test runner. */
function isError(value: unknown): value is Error {
  return types.isNativeError(value);
}

/** An error of Graft's, of any copy of its packages. */
function isExplained(error: unknown): error is GraftError {
  return error instanceof GraftError;
}

const SYSTEM_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission is denied',
  EPERM: 'the operation is not permitted',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  EMFILE: 'too many files are open',
};

/** One clear sentence for anything that was thrown, and the status to exit with; the stack on request. */
export function describeError(error: unknown, debug: boolean): { text: string; exitCode: number } {
  const lines = [`graft: ${sentence(error)}`];
  if (isExplained(error)) {
    if (error.hint) lines.push(error.hint);
  } else if (isOutOfMemory(error)) {
    lines.push('End other programs, raise the limit on memory (ulimit -v), or compute less at once.');
  } else if (!debug && !isSystemError(error)) {
    const location = foreignLocation(error);
    lines.push(
      location === undefined
        ? 'This is a mistake in Graft; --debug shows where it happened.'
        : `It comes out of ${location}, which is not part of Graft; --debug shows how.`,
    );
  }
  if (debug) for (const part of stacks(error)) lines.push(part);
  return { text: redact(`${lines.join('\n')}\n`), exitCode: isExplained(error) ? error.exitCode : 1 };
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return isError(error) && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

/** Memory that the system refused, as V8's own messages report it. */
function isOutOfMemory(error: unknown): error is Error {
  return isError(error) && !isExplained(error) && /out of memory|allocation failed/i.test(error.message);
}

function sentence(error: unknown): string {
  if (isOutOfMemory(error)) return `there is not enough memory (${error.message.replace(/\.$/, '')}).`;
  if (isSystemError(error) && !isExplained(error)) {
    const reason = SYSTEM_REASONS[error.code ?? ''];
    if (reason) return `${error.path ?? error.syscall}: ${reason}.`;
  }
  if (!isError(error) && typeof error !== 'string') return `${inspect(error)} was thrown, which is not an error.`;
  const message = isError(error) ? error.message : error;
  return message.trim() === '' ? 'an error without a message.' : message;
}

const ROOT = join(__dirname, '..', '..', '..', '..');
const OURS = [join(ROOT, 'packages', sep), join(ROOT, 'plugins', sep), join(sep, 'node_modules', '@graft', sep)];
const LIBRARIES = join(sep, 'node_modules', sep);

/**
 * The place, ignoring libraries, where an error was thrown, if that is third-party code: a plugin, or a config in code.
 */
function foreignLocation(error: unknown): string | undefined {
  const isOurs = (location: string): boolean => OURS.some((folder) => location.includes(folder));
  const locations = ((isError(error) && error.stack?.split('\n')) || []).flatMap((frame) => {
    const location = /^ +at .*?((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/.exec(frame)?.[1];
    return location === undefined ? [] : [location.replace('file://', '')];
  });
  const first = locations.find((location) => isOurs(location) || !location.includes(LIBRARIES));
  return first === undefined || isOurs(first) ? undefined : first;
}

function stacks(error: unknown): string[] {
  const parts: string[] = [];
  for (let at = error; isError(at); at = at.cause)
    parts.push(`${parts.length > 0 ? 'Caused by: ' : ''}${at.stack ?? at.message}`);
  return parts;
}
