/** What is damaged in a file, as a clause: `a page header ends too early`. */
export class Damaged extends Error {}

/** Why a file that may be whole is not read, as a clause: `it is encrypted`. */
export class Unsupported extends Error {}

/** Why a file cannot be read, as a clause. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof Unsupported) return cause.message;
  // The system's, of another file's kind as well.
  const { code, message } = cause as NodeJS.ErrnoException;
  if (!(cause instanceof Damaged) && typeof code === 'string' && !code.startsWith('ERR_')) return message;
  // What is not there is a TypeError or a RangeError, whose words are not about the file.
  const isProgramming = cause instanceof TypeError || cause instanceof RangeError;
  return `it is damaged (${isProgramming ? 'a place or a length in it is wrong' : message})`;
}
