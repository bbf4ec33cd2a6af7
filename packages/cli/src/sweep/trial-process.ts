/** A trial of a sweep as a process of its own, `graft run` or `graft evaluate`, whose crash costs the sweep one trial. */
import type { FoundRun, Trial, TrialEnd, TrialShare } from '@graft/core';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { EngineCommandOptions } from '../commands/shared/options';
import { INTERRUPTED } from '../commands/shared/runnable';

const BINARY = join(__dirname, '..', '..', 'bin', 'graft.js');
/** Set for processes that a sweep started: they stop when it ends. */
const STARTED_BY_SWEEP = 'GRAFT_TRIAL';
/** The last characters of what a process reports that are kept for the message about its end. */
const KEPT_CHARACTERS = 4000;
/** Share of a GPU's memory that a single run takes, which trials on one GPU divide among themselves. */
const GPU_MEMORY = 0.94;

export interface TrialProcessOptions {
  readonly trial: Trial;
  readonly share: TrialShare;
  /** Its run from before, to be resumed. */
  readonly unfinished?: FoundRun;
  /** The engine that the command line names. */
  readonly engine: EngineCommandOptions;
  /** Whether trials run on a GPU whose memory they share. */
  readonly sharesGpu: boolean;
  /** The folder from which relative paths in the trial's settings start. */
  readonly folder: string;
  /** Aborting it has the effect of Ctrl-C. */
  readonly signal: AbortSignal;
  /** Receives every line that the process reports, if anybody wants them. */
  readonly onLine?: (line: string) => void;
}

/** Runs a trial to its end. */
export async function runTrialProcess(options: TrialProcessOptions): Promise<TrialEnd> {
  const { folder, signal, onLine } = options;
  const child = spawn(process.execPath, [...process.execArgv, BINARY, ...trialArguments(options)], {
    cwd: folder,
    // The channel breaks when this process ends for any reason.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, ...gpuMemory(options), [STARTED_BY_SWEEP]: '1' },
  });
  let reported = '';
  createInterface({ input: child.stderr! }).on('line', (line) => {
    reported = `${reported}${line}\n`.slice(-KEPT_CHARACTERS);
    onLine?.(line);
  });
  const interrupt = (): void => void child.kill('SIGINT');
  signal.addEventListener('abort', interrupt);
  if (signal.aborted) interrupt();
  try {
    return await new Promise<TrialEnd>((resolve) => {
      child.on('error', ({ message }) =>
        resolve({ status: 'failed', problem: `It could not be started: ${message}.` }),
      );
      child.on('close', (code, killedBy) => resolve(endOf(code, killedBy, reported, signal.aborted)));
    });
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

/** The arguments of `graft`. */
export function trialArguments({
  trial: { kind, config, overrides },
  share: { threads },
  unfinished,
  engine: { engine, device },
  onLine,
}: TrialProcessOptions): string[] {
  return [
    onLine ? '--debug' : '--quiet',
    kind === 'training' ? 'run' : 'evaluate',
    config,
    ...overrides.flatMap((override) => ['--set', override]),
    ...(unfinished ? ['--resume', unfinished.id] : []),
    ...(threads === undefined ? [] : ['--threads', String(threads)]),
    ...(engine === undefined ? [] : ['--engine', engine]),
    ...(device === undefined ? [] : ['--device', device]),
  ];
}

/** A part of the GPU's memory, unless config or environment say how much. */
function gpuMemory({ sharesGpu, share: { memory }, trial }: TrialProcessOptions): Record<string, string> {
  if (!sharesGpu || memory === 1 || trial.loaded.config.engine.memoryFraction !== undefined) return {};
  const given = JSON.parse(process.env.GRAFT_PJRT_OPTIONS || '{}') as Readonly<Record<string, unknown>>;
  return { GRAFT_PJRT_OPTIONS: JSON.stringify({ memory_fraction: GPU_MEMORY * memory, ...given }) };
}

function endOf(code: number | null, killedBy: string | null, reported: string, isAborted: boolean): TrialEnd {
  if (code === 0) return { status: 'finished' };
  if (isAborted && (code === INTERRUPTED || killedBy !== null)) return { status: 'interrupted' };
  const said = /(?:^|\n)graft: ([^]*)$/.exec(reported)?.[1] ?? reported;
  const how =
    killedBy === null ? `It ended with status ${code}.` : `It was ended by ${killedBy}${memoryHint(killedBy)}.`;
  return {
    status: 'failed',
    problem: said.trim() === '' ? how : killedBy === null ? said.trim() : `${how} ${said.trim()}`,
  };
}

const memoryHint = (killedBy: string): string =>
  killedBy === 'SIGKILL' ? ', as the system does when memory runs out' : '';

/** In a process that a sweep started: the end of the sweep, however it came, has the effect of Ctrl-C. */
export function stopWithSweep(): void {
  if (process.env[STARTED_BY_SWEEP] === undefined) return;
  delete process.env[STARTED_BY_SWEEP];
  if (!process.channel) return;
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  // It must not keep the process alive.
  process.channel.unref();
}
