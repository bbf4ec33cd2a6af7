import type pino from 'pino';
import { maskedForMessage } from '../secrets/mask';
import { redact } from '../secrets/redact';

/** A pino logger. */
export type Logger = pino.Logger;

/** The least important lines that are logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/* eslint-disable @typescript-eslint/no-require-imports -- loaded with the first logger: importing Graft must not cost that */
const loadPino = (): typeof import('pino') => require('pino') as typeof import('pino');
const loadPretty = (): typeof import('pino-pretty') => require('pino-pretty') as typeof import('pino-pretty');
/* eslint-enable @typescript-eslint/no-require-imports */

const FORMAT = { ignore: 'pid,hostname,time', messageFormat: '{msg}' };

/** Human-readable lines on standard error; standard output stays free for results. */
export function createLogger(options: { level?: LogLevel } = {}): Logger {
  const settings = { level: options.level ?? 'info', base: undefined };
  const pino = loadPino();
  if (process.stderr.isTTY) return discreetLogger(pino(settings, terminalStream()));
  return discreetLogger(pino(settings, loadPretty()({ ...FORMAT, destination: 2, sync: true, colorize: false })));
}

/** pino's numbers of levels. */
const WARN = 40;
const ERROR = 50;

/**
 * Lines for a person at a terminal: those of level info have no `INFO:`; warnings are yellow and errors red, and keep their names
 * where NO_COLOR is set. They pass through `process.stderr`, which keeps them apart from a status line (status-line.ts).
 */
function terminalStream(): { write(line: string): void } {
  const pretty = loadPretty();
  const withLevel = pretty.prettyFactory({ ...FORMAT, colorize: false });
  const withoutLevel = pretty.prettyFactory({ ...FORMAT, ignore: `${FORMAT.ignore},level`, colorize: false });
  const hasColours = !process.env.NO_COLOR;
  return {
    write(line) {
      const { level } = JSON.parse(line) as { level: number };
      const isPlain = level < WARN;
      const text = isPlain || hasColours ? withoutLevel(line) : withLevel(line);
      const colour = level >= ERROR ? 31 : 33;
      process.stderr.write(isPlain || !hasColours ? text : `\x1b[${colour}m${text.replace(/\n$/, '')}\x1b[39m\n`);
    },
  };
}

/** A logger that writes nothing; the default of library calls. */
export function silentLogger(): Logger {
  return loadPino()({ level: 'silent' });
}

const LEVELS: ReadonlySet<string | symbol> = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);

/** A logger that removes secrets from its lines (`redact`). */
export function discreetLogger(logger: Logger): Logger {
  const masked = (part: unknown): unknown => {
    if (typeof part === 'string') return redact(part);
    if (part instanceof Error) return redact(part.stack ?? part.message);
    return typeof part === 'object' && part !== null ? maskedForMessage(part) : part;
  };
  return new Proxy(logger, {
    get(target, key) {
      const own: unknown = Reflect.get(target, key, target);
      if (key === 'child')
        return (...given: Parameters<Logger['child']>) => discreetLogger(target.child(...given) as unknown as Logger);
      if (typeof own !== 'function' || !LEVELS.has(key)) return own;
      return (...parts: unknown[]) => void (own as (...rest: unknown[]) => void).apply(target, parts.map(masked));
    },
  });
}
