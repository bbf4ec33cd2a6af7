import pino from 'pino';
import pretty from 'pino-pretty';
import { maskedForMessage } from '../secrets/mask';
import { redact } from '../secrets/redact';

export type Logger = pino.Logger;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Human-readable lines on standard error; standard output stays free for results. */
export function createLogger(options: { level?: LogLevel } = {}): Logger {
  const stream = pretty({
    destination: 2,
    sync: true,
    ignore: 'pid,hostname,time',
    messageFormat: '{msg}',
    colorize: process.stderr.isTTY,
  });
  return discreetLogger(pino({ level: options.level ?? 'info', base: undefined }, stream));
}

/** A logger that writes nothing; the default of library calls. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
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
