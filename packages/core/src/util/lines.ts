/** A line of a file. */
export interface Line {
  /** undefined: the line is too long. */
  readonly text: string | undefined;
  /** Whether the line ends with a line feed. */
  readonly ends: boolean;
}

const LINE_FEED = 0x0a;

/**
 * The lines of a stream, as UTF-8 and without their line feed. The first line that does not end within `longestBytes` is
 * given as too long; what follows of it then comes as a further one, so whoever reads should stop there.
 */
export async function* linesOf(
  stream: AsyncIterable<Buffer>,
  longestBytes: number,
): AsyncGenerator<Line, undefined, undefined> {
  let rest = Buffer.alloc(0);
  for await (const piece of stream) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED)) {
      yield { text: end <= longestBytes ? bytes.toString('utf8', 0, end) : undefined, ends: true };
      bytes = bytes.subarray(end + 1);
    }
    if (bytes.length > longestBytes) yield { text: undefined, ends: false };
    rest = Buffer.from(bytes);
  }
  if (rest.length > 0) yield { text: rest.toString('utf8'), ends: false };
  return undefined;
}
