/** Runs the trials of a sweep, several at a time, within the memory that is free. */
import type { FoundRun } from '../run/same-run';
import type { Trial } from './trial';

/** What a trial may use of the machine. */
export interface TrialShare {
  /** Threads of its engine, if its config does not say. Undefined: as many as it likes. */
  readonly threads?: number;
  /** Share of an accelerator's memory, in (0, 1]. */
  readonly memory: number;
}

/** How a trial ended. */
export type TrialEnd =
  | { readonly status: 'finished' }
  | { readonly status: 'interrupted' }
  /** `problem`: a sentence. */
  | { readonly status: 'failed'; readonly problem: string };

/** How a trial is started. */
export interface TrialStart {
  readonly share: TrialShare;
  /** Its run from before, to be resumed. */
  readonly unfinished?: FoundRun;
  /** Aborted when it should save and stop. */
  readonly signal: AbortSignal;
}

/** Starts a trial and waits for its end. */
export type StartTrial = (trial: Trial, start: TrialStart) => Promise<TrialEnd>;

/** Options of `runTrials`. */
export interface RunTrialsOptions {
  readonly start: StartTrial;
  /** Runs that are there already, by the ids of their trials. */
  readonly found: ReadonlyMap<string, FoundRun>;
  /** How many run at a time. Default 1. */
  readonly parallel?: number;
  /** Threads that they share. */
  readonly threads: number;
  /** Bytes that they share; undefined: memory is not watched. */
  readonly memory?: number;
  /** Bytes that a trial needs; undefined: nothing is known. Only asked if there are several at a time, and `memory`. */
  readonly needs?: (trial: Trial) => Promise<number | undefined>;
  /** Aborting it stops all trials. */
  readonly signal: AbortSignal;
  /** An error that it throws stops all trials, too. */
  readonly onEvent?: (event: TrialEvent) => Promise<void> | void;
}

/** What happens to a trial. */
export type TrialEvent =
  | { readonly kind: 'skipped'; readonly trial: Trial; readonly run: FoundRun }
  | { readonly kind: 'started'; readonly trial: Trial; readonly unfinished?: FoundRun }
  /** It starts when others have ended. */
  | { readonly kind: 'waiting'; readonly trial: Trial; readonly bytes: number }
  /** It starts alone, although it needs more memory than there is. */
  | { readonly kind: 'large'; readonly trial: Trial; readonly bytes: number }
  | { readonly kind: 'ended'; readonly trial: Trial; readonly end: TrialEnd };

/** Trials by what became of them. */
export interface TrialsEnd {
  /** Finished now or before. */
  readonly finished: readonly Trial[];
  readonly failed: readonly Trial[];
  /** Stopped, or never started, because the signal was aborted. */
  readonly left: readonly Trial[];
}

/**
 * Runs what is not finished, in order; trials with one id run once. A trial that fails keeps no other from running.
 * After the signal it starts nothing more, and waits for those that are running. Throws what `start` and `onEvent` throw,
 * once all trials have stopped.
 */
export async function runTrials(trials: readonly Trial[], options: RunTrialsOptions): Promise<TrialsEnd> {
  const { start, found, onEvent, parallel = 1 } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const abort = (): void => stop.abort(options.signal.reason);
  options.signal.addEventListener('abort', abort);
  if (options.signal.aborted) abort();
  const share: TrialShare = {
    threads: parallel > 1 ? Math.max(1, Math.floor(options.threads / parallel)) : undefined,
    memory: 1 / parallel,
  };
  const result = { finished: [] as Trial[], failed: [] as Trial[], left: [] as Trial[] };
  const waiting: Trial[] = [];
  for (const trial of distinct(trials)) {
    const run = found.get(trial.id);
    if (run?.isFinished) {
      result.finished.push(trial);
      await onEvent?.({ kind: 'skipped', trial, run });
    } else waiting.push(trial);
  }
  const memory = new MemoryBudget(parallel > 1 ? options.memory : undefined, options.needs);
  const running = new Set<Promise<void>>();
  const run = async (trial: Trial, bytes: number): Promise<void> => {
    const unfinished = found.get(trial.id);
    await onEvent?.({ kind: 'started', trial, unfinished });
    const end = await start(trial, { share, unfinished, signal }).finally(() => memory.release(bytes));
    const list = { finished: result.finished, failed: result.failed, interrupted: result.left }[end.status];
    list.push(trial);
    await onEvent?.({ kind: 'ended', trial, end });
  };
  const announced = new Set<Trial>();
  /** Starts one more trial, or waits for the end of one. */
  const goOn = async (): Promise<void> => {
    const next = running.size < parallel ? await memory.firstThatFits(waiting, running.size === 0) : undefined;
    if (signal.aborted) return;
    if (!next) {
      const [blocked] = waiting;
      if (running.size < parallel && !announced.has(blocked)) {
        announced.add(blocked);
        await onEvent?.({ kind: 'waiting', trial: blocked, bytes: await memory.needs(blocked) });
      }
      return Promise.race(running);
    }
    const { trial, bytes, fits } = next;
    waiting.splice(waiting.indexOf(trial), 1);
    if (!fits) await onEvent?.({ kind: 'large', trial, bytes });
    memory.take(bytes);
    const done: Promise<void> = run(trial, bytes).finally(() => running.delete(done));
    // Awaited below; until then a failure must not count as unhandled.
    done.catch(() => undefined);
    running.add(done);
  };
  try {
    while (waiting.length > 0 && !signal.aborted) await goOn();
    await Promise.all(running);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(running);
    throw error;
  } finally {
    options.signal.removeEventListener('abort', abort);
  }
  result.left.push(...waiting);
  return result;
}

/** The first trial of each id. */
function distinct(trials: readonly Trial[]): Trial[] {
  const ids = new Set<string>();
  return trials.filter(({ id }) => !ids.has(id) && ids.add(id));
}

/** The memory of the machine, of which each running trial has got what it needs. */
class MemoryBudget {
  private taken = 0;
  private readonly known = new Map<Trial, number>();

  constructor(
    private readonly bytes: number | undefined,
    private readonly estimate: RunTrialsOptions['needs'],
  ) {}

  /** 0 if nothing is known about it. */
  async needs(trial: Trial): Promise<number> {
    if (this.bytes === undefined) return 0;
    if (!this.known.has(trial)) this.known.set(trial, (await this.estimate?.(trial)) ?? 0);
    return this.known.get(trial)!;
  }

  /** The first trial for which there is memory; if none runs yet (`isIdle`), the first one, fitting or not. */
  async firstThatFits(
    trials: readonly Trial[],
    isIdle: boolean,
  ): Promise<{ readonly trial: Trial; readonly bytes: number; readonly fits: boolean } | undefined> {
    if (this.bytes === undefined) return { trial: trials[0], bytes: 0, fits: true };
    for (const trial of trials) {
      const bytes = await this.needs(trial);
      if (this.taken + bytes <= this.bytes) return { trial, bytes, fits: true };
    }
    return isIdle ? { trial: trials[0], bytes: await this.needs(trials[0]), fits: false } : undefined;
  }

  take(bytes: number): void {
    this.taken += bytes;
  }

  release(bytes: number): void {
    this.taken -= bytes;
  }
}
