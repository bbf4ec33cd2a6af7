import { createContext, Script, type Context } from 'node:vm';

const call = new Script('work()');
let context: Context | undefined;

/** The work was stopped because it took too long. */
export class TookTooLong extends Error {}

/**
 * The result of `work`, or TookTooLong after this many milliseconds: the only way to stop a regular expression, which
 * nothing else interrupts. A call costs about 60 microseconds. Work that takes too long is started a second time with
 * the same limit, in case the machine slept or was busy.
 */
export function withinTime<T>(work: () => T, milliseconds: number): T {
  context ??= createContext(Object.create(null) as Context);
  for (let attempt = 1; ; attempt++) {
    context.work = work;
    try {
      return call.runInContext(context, { timeout: milliseconds }) as T;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw cause;
      if (attempt === 2) throw new TookTooLong(`it took more than ${milliseconds} ms, twice`, { cause });
    } finally {
      context.work = undefined;
    }
  }
}
