import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'node:util';
import { redact } from '../secrets/redact';
import type { Logger } from '../util/logger';

export const LOG_FILE = 'log.txt';
/** Number of lines to keep until there is a folder. */
const MOST_KEPT = 1000;

type Level = 'info' | 'warn' | 'error';
const LEVELS: ReadonlySet<string | symbol> = new Set(['info', 'warn', 'error', 'fatal']);
/** Colours and cursor movements. */
// eslint-disable-next-line no-control-regex -- that is what is removed
const ESCAPES = /\u001b\[[\d;?]*[A-Za-z]/g;

/**
 * log.txt of a run: every line that this process logged while it worked on the run, with its time, without colours and
 * secrets. Keeps lines from before the folder exists for it. A file that cannot be written does not stop the run.
 */
export class LogFile {
  private kept: string[] = [];
  private file: number | undefined;

  /** A logger that also writes to this file, whatever its own level. */
  tee(logger: Logger): Logger {
    return new Proxy(logger, {
      get: (target, key) => {
        const own: unknown = Reflect.get(target, key, target);
        if (key === 'child')
          return (...given: Parameters<Logger['child']>) => this.tee(target.child(...given) as unknown as Logger);
        if (typeof own !== 'function' || !LEVELS.has(key)) return own;
        return (...parts: unknown[]) => {
          this.add(key === 'fatal' ? 'error' : (key as Level), textOf(parts));
          (own as (...rest: unknown[]) => void).apply(target, parts);
        };
      },
    });
  }

  add(level: Level, text: string): void {
    const clean = redact(text.replace(ESCAPES, '')).trimEnd();
    const line = `${new Date().toISOString()} ${level.toUpperCase().padEnd(5)} ${clean.replaceAll('\n', '\n  ')}\n`;
    if (this.file !== undefined) this.write(line);
    else if (this.kept.length < MOST_KEPT) this.kept.push(line);
  }

  /**
   * Appends to the log of this run from now on. Opens the file once: if another folder replaces the run's, nothing goes
   * to the new one.
   */
  open(folder: string): void {
    try {
      this.file = openSync(join(folder, LOG_FILE), 'a');
    } catch {
      return;
    }
    const { kept } = this;
    this.kept = [];
    for (const line of kept) this.write(line);
  }

  close(): void {
    if (this.file === undefined) return;
    try {
      fsyncSync(this.file);
    } catch {
      // Some file systems do not support this.
    }
    closeSync(this.file);
    this.file = undefined;
  }

  private write(line: string): void {
    try {
      writeSync(this.file!, line);
    } catch {
      // On a full disk, the files that the run needs report the error.
    }
  }
}

/** As pino formats it: a text with its values, or an object before the text; of an error only the message. */
function textOf([first, ...rest]: unknown[]): string {
  if (typeof first === 'string') return format(first, ...rest);
  const said = rest.length > 0 ? format(...rest) : undefined;
  if (first instanceof Error) return said ?? first.message;
  return said ?? JSON.stringify(first) ?? '';
}
