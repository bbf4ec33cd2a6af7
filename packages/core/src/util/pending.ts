import { DataError, GraftError } from '@graft/engine';
import { setTimeout as sleep } from 'node:timers/promises';

/** A pending wait that may never end, for example for a dataset's next item. */
interface Call {
  /** The wait as part of a sentence, without the time: `dataset "text/text" has not returned an item`. */
  readonly what: string;
  since: number;
  /** A number that changes while there is progress. */
  readonly progress?: () => number;
  seen?: number;
  /** Seconds after which the log reports it next. */
  warnAfter?: number;
}

/** The waits of this thread, in the order of their beginnings. */
const calls = new Set<Call>();

/** Begins to wait for something; the function that it returns ends that. */
export function beginCall(what: string, progress?: () => number): () => void {
  const call: Call = { what, since: performance.now(), progress, seen: progress?.() };
  calls.add(call);
  return () => void calls.delete(call);
}

/** The innermost pending wait: a mixture waits for its part, and the part is what hangs. */
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

/** Callers that wait for something that can no longer happen. */
const deadEnds = new Set<(error: GraftError) => void>();

/** The event loop is empty: waiting callers get an error; otherwise the process would exit silently. */
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
 * Reports long waits in the log, first after `seconds` and then each time the duration has doubled. 0: never. Returns a
 * function that stops it.
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

/** The user stopped something that would not have ended by itself. */
export class Interrupted extends GraftError {
  constructor(what: string) {
    super(`Stopped while ${what}.`, { code: 'run.interrupted' });
  }
}

/**
 * Resolves to undefined if the signal is aborted before the promise is settled. Throws DataError, while waits are
 * watched, if nothing remains that could settle it.
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
    // Nobody awaits its outcome any more, so a rejection must not be reported as unhandled.
    void promise.catch(() => undefined);
  }
}

/** How long something may hang after the signal before it is abandoned. */
const GRACE_MS = 1500;

/**
 * For work that checks the signal itself, but may hang in a dataset: throws Interrupted if the signal is aborted and
 * the pending wait makes no progress. Otherwise returns the promise's result.
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
