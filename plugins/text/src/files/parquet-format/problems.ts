/** The damage of a file, as a clause: `a page header ends too early`. */
export class Damaged extends Error {}

/** Why a file is not read that may be intact, as a clause: `it is encrypted`. */
export class Unsupported extends Error {}

/** Why a file cannot be read, as a clause. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof Unsupported) return cause.message;
  // An error of the system, or because it is another kind of file.
  const { code, message } = cause as NodeJS.ErrnoException;
  if (!(cause instanceof Damaged) && typeof code === 'string' && !code.startsWith('ERR_')) return message;
  // Missing data cause a TypeError or a RangeError, whose messages do not describe the file.
  const isProgramming = cause instanceof TypeError || cause instanceof RangeError;
  return `it is damaged (${isProgramming ? 'a place or a length in it is wrong' : message})`;
}
