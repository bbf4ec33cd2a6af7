import pino from 'pino';
import pretty from 'pino-pretty';

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
  return pino({ level: options.level ?? 'info', base: undefined }, stream);
}

/** A logger that says nothing; what library calls use unless given one. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
