/** A stream of a terminal, as far as the status line uses it: `process.stderr`. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(chunk: string | Uint8Array, ...rest: never[]): boolean;
}

export interface StatusLine {
  /**
   * Shows what `render` returns for this many columns: one line, which replaces the one before. It is drawn at most five
   * times a second, unless `now` is set, and again every half second, for what counts seconds.
   */
  show(render: (columns: number) => string, now?: boolean): void;
  /** Draws the line a last time and leaves it, or removes it. May be called twice. */
  end(options?: { readonly keep?: boolean }): void;
}

export interface StatusLineOptions {
  /** Default: those of the process. */
  readonly stderr?: TerminalStream;
  readonly stdout?: TerminalStream;
  /** In milliseconds. Default: `performance.now`. */
  readonly now?: () => number;
}

const ERASE = '\r\x1b[2K';

const REDRAW_MS = 500;

/** Between two drawings that nobody asked for at once. */
const LEAST_MS = 200;

/** Of a terminal that does not tell its width. */
const DEFAULT_COLUMNS = 80;

/** The terminal echoes Ctrl-C as `^C` behind the cursor: with it the line must not wrap, or one part of it would stay. */
const ECHO_COLUMNS = 3;

/** The newest one: only it is drawn. */
let current: { end(options?: { readonly keep?: boolean }): void } | undefined;

/**
 * The last line of a terminal, which changes in place. What this process writes meanwhile, to standard error or to standard
 * output, appears above it as whole lines: both streams' `write` erases the line first and draws it again behind a line break.
 * An exit of the process leaves it whole.
 */
export function openStatusLine({
  stderr = process.stderr,
  stdout = process.stdout,
  now = () => performance.now(),
}: StatusLineOptions = {}): StatusLine {
  current?.end({ keep: true });
  let render: ((columns: number) => string) | undefined;
  let isDrawn = false;
  /** Somebody's text without its line break stands where the line would be. */
  let isTextOpen = false;
  let drawnAt = -Infinity;
  const streams = [stderr, ...(stdout.isTTY && stdout !== stderr ? [stdout] : [])];
  const originals = streams.map((stream) => ({ stream, own: Object.getOwnPropertyDescriptor(stream, 'write') }));
  const write = stderr.write.bind(stderr) as (text: string) => boolean;

  const erase = (): void => {
    if (isDrawn) write(ERASE);
    isDrawn = false;
  };
  const draw = (): void => {
    if (isTextOpen || !render) return;
    const columns = Math.max(1, (stderr.columns || DEFAULT_COLUMNS) - ECHO_COLUMNS);
    const text = render(columns).slice(0, columns);
    write(`${ERASE}${text}`);
    isDrawn = true;
    drawnAt = now();
  };

  for (const stream of streams) {
    const through = stream.write.bind(stream) as (chunk: string | Uint8Array, ...rest: never[]) => boolean;
    stream.write = (chunk, ...rest) => {
      if (chunk.length === 0) return through(chunk, ...rest);
      erase();
      const isTaken = through(chunk, ...rest);
      const last = chunk.at(-1);
      isTextOpen = last !== '\n' && last !== 10;
      draw();
      return isTaken;
    };
  }
  const timer = setInterval(draw, REDRAW_MS);
  timer.unref();

  let isOpen = true;
  const end = ({ keep = true }: { readonly keep?: boolean } = {}): void => {
    if (!isOpen) return;
    isOpen = false;
    clearInterval(timer);
    process.off('exit', leaveWhole);
    if (current === line) current = undefined;
    if (keep) draw();
    else erase();
    if (isDrawn) write('\n');
    for (const { stream, own } of originals) {
      if (own) Object.defineProperty(stream, 'write', own);
      else delete (stream as { write?: unknown }).write;
    }
  };
  const leaveWhole = (): void => end();
  process.on('exit', leaveWhole);

  const line: StatusLine = {
    show(next, immediately = false) {
      if (!isOpen) return;
      render = next;
      if (immediately || now() - drawnAt >= LEAST_MS) draw();
    },
    end,
  };
  current = line;
  return line;
}

/** `text` in at most this many characters; an ellipsis replaces the rest. */
export function cutTo(text: string, characters: number): string {
  if (text.length <= characters) return text;
  return characters < 2 ? text.slice(0, Math.max(0, characters)) : `${text.slice(0, characters - 1)}…`;
}

const LONGEST_BAR = 40;

/** A bar of at most this many characters that is filled to `share` (0 to 1). Empty where there is too little room for one. */
export function barOf(share: number, room: number): string {
  const characters = Math.min(LONGEST_BAR, room);
  if (characters < 4) return '';
  const filled = Math.round(characters * Math.min(1, Math.max(0, share)));
  return '█'.repeat(filled) + '░'.repeat(characters - filled);
}
