import { DataError, GraftError } from '@graft/engine';
import { setTimeout as sleep } from 'node:timers/promises';

/** What somebody waits for, that may never come: a dataset's next item, for one. */
interface Call {
  /** As a sentence says it, the time aside: `dataset "text/text" has not returned an item`. */
  readonly what: string;
  since: number;
  /** A number that changes while something is done. */
  readonly progress?: () => number;
  seen?: number;
  /** Seconds after which it is named in the log next. */
  warnAfter?: number;
}

/** Of this thread, in the order in which they were begun. */
const calls = new Set<Call>();

/** Begins to wait for something; the function that it returns ends that. */
export function beginCall(what: string, progress?: () => number): () => void {
  const call: Call = { what, since: performance.now(), progress, seen: progress?.() };
  calls.add(call);
  return () => void calls.delete(call);
}

/** The innermost of the calls that are under way: a mixture waits for its part, and the part is what hangs. */
function newestCall(): Call | undefined {
  const call = [...calls].pop();
  const now = call?.progress?.();
  if (call && now !== call.seen) {
    call.seen = now;
    call.since = performance.now();
    call.warnAfter = undefined;
  }
  return call;
}

const LOOK_EVERY_MS = 250;

/** Of those who wait for what cannot come any more. */
const deadEnds = new Set<(error: GraftError) => void>();

/** Nothing is left that could happen in this process: whoever waits gets an error, or the process would end in silence. */
function onNothingLeft(): void {
  const call = newestCall();
  if (!call) return;
  const error = new DataError(
    `${sentenceCase(call.what)}, and never will: nothing is left in this process that it could wait for.`,
    { code: 'data.never', hint: 'It returned a promise that nobody resolves.' },
  );
  for (const reject of deadEnds) reject(error);
}

let watches = 0;

/**
 * Names in the log what has been waited for too long, once after `seconds` and then each time that has doubled. 0: never.
 * Returns what ends it.
 */
export function watchCalls(seconds: number, warn: (sentence: string) => void): () => void {
  const look = (): void => {
    const call = newestCall();
    if (!call) return;
    const waited = (performance.now() - call.since) / 1000;
    const limit = call.warnAfter ?? seconds;
    if (waited < limit) return;
    call.warnAfter = 2 * limit;
    warn(`${sentenceCase(call.what)} for ${Math.floor(waited)} s.`);
  };
  const timer = seconds > 0 ? setInterval(look, LOOK_EVERY_MS).unref() : undefined;
  if (watches++ === 0) process.on('beforeExit', onNothingLeft);
  return () => {
    clearInterval(timer);
    if (--watches === 0) process.off('beforeExit', onNothingLeft);
  };
}

const sentenceCase = (text: string): string => text[0].toUpperCase() + text.slice(1);

/** The user stopped what would not have ended by itself. */
export class Interrupted extends GraftError {
  constructor(what: string) {
    super(`Stopped while ${what}.`, { code: 'run.interrupted' });
  }
}

/**
 * Resolves to undefined when the signal is aborted before the promise is settled. Throws DataError, while calls are watched,
 * where nothing is left that could settle it.
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  let [stop, fail] = [(): void => undefined, (_: GraftError): void => undefined];
  const given = new Promise<undefined>((resolve, reject) => {
    stop = () => resolve(undefined);
    fail = reject;
  });
  deadEnds.add(fail);
  if (signal?.aborted) stop();
  else signal?.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, given]);
  } finally {
    deadEnds.delete(fail);
    signal?.removeEventListener('abort', stop);
    // What comes of it, when nobody waits for it any more, is nobody's.
    void promise.catch(() => undefined);
  }
}

/** How long something may hang after the signal until it is left alone. */
const GRACE_MS = 1500;

/**
 * For work that looks at the signal by itself, but may hang in a dataset: throws Interrupted when the signal is aborted and
 * nothing has come from what it waits for since. Otherwise the promise's own.
 */
export async function unlessStuck<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const settled = promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  let result = await unlessAborted(settled, signal);
  const aborted = performance.now();
  while (result === undefined) {
    result = await Promise.race([settled, sleep(LOOK_EVERY_MS).then(() => undefined)]);
    const call = newestCall();
    if (result === undefined && call && performance.now() - Math.max(call.since, aborted) > GRACE_MS)
      throw new Interrupted(call.what);
  }
  if ('error' in result) throw result.error;
  return result.value;
}
