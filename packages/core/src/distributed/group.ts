import {
  checkNetwork,
  ConfigError,
  controlKey,
  DataError,
  NETWORK_EXPOSURE,
  type Engine,
  type WorkerGroup,
} from '@graft/engine';
import type { Objective } from '../interfaces';
import type { Logger } from '../util/logger';
import { rememberSecret } from '../secrets/redact';
import type { ExperimentConfig } from '../config';
import { comparableConfig, type Json } from '../secrets/mask';
import { show } from '../util/show';
import { ALWAYS_FREE, differences } from '../config/differences';

/** The processes that a run is shared out to. */
export interface WorkerOptions {
  /** `host:port` of every worker, in the order of ranks. */
  readonly addresses: readonly string[];
  /** This process's place among them. Worker 0 writes the run's folder. */
  readonly rank: number;
  /**
   * What all workers of the group know and nobody else, at least 16 bytes. It is written nowhere and never sent: connections
   * prove that they have it.
   */
  readonly secret: string | Uint8Array;
  /** All workers are processes of this machine and of one user, and share memory. Default: false. */
  readonly local?: boolean;
  /**
   * Agrees to TensorFlow's server, which workers on several hosts need: it listens on every interface, and neither encrypts nor
   * authenticates. Default: false, and such a group is refused.
   */
  readonly insecureNetwork?: boolean;
  /** How long the others may take to come. Default 300 s. */
  readonly timeoutMs?: number;
  /** Aborting it ends the wait for the others, with its reason. */
  readonly signal?: AbortSignal;
}

/** Throws UsageError where a group cannot be joined as these options say: before anything is opened for it. */
export function checkWorkerOptions(options: WorkerOptions): void {
  checkNetwork(options);
  controlKey(options.secret);
  // It has no way into a log or a file; where a plugin finds one, it is masked there.
  rememberSecret(Buffer.from(options.secret).toString());
}

/** Waits for the other workers, and sees that they have the same experiment. Throws WorkersError, UsageError or ConfigError. */
export async function joinGroup(
  engine: Engine,
  config: ExperimentConfig,
  { addresses, ...options }: WorkerOptions,
  logger: Logger,
): Promise<WorkerGroup> {
  if (!options.local) logger.warn(NETWORK_EXPOSURE);
  const group = await engine.collectives.join({ workers: addresses, ...options });
  const common = Object.fromEntries(
    Object.entries(config).filter(([key]) => !(ALWAYS_FREE as readonly string[]).includes(key)),
  );
  // Without secrets, which each machine may keep in a place of its own.
  const own = comparableConfig({ ...common, 'engine.mode': engine.executor }) as { [key: string]: Json };
  const all = await group.exchange(own);
  for (const [rank, theirs] of all.entries()) {
    const changed = differences(all[0], theirs, '');
    if (changed.length === 0) continue;
    const list = changed.map(({ path, before, now }) => `${path} is ${show(now)}, worker 0 has ${show(before)}`);
    await group.leave();
    throw new ConfigError(`Worker ${rank} (${addresses[rank]}) has another config: ${list.join('; ')}.`, {
      code: 'workers.config',
      hint: 'Start all workers with the same config and the same --set.',
    });
  }
  return group;
}

/** Throws DataError, in all workers the same one, where an objective reads other files in one of them: a teacher's, for one. */
export async function compareFiles(group: WorkerGroup, objective: Objective): Promise<void> {
  const all = await group.exchange((await objective.fileDigests?.()) ?? {});
  for (const [rank, theirs] of all.entries()) {
    const name = Object.keys({ ...all[0], ...theirs }).find((key) => all[0][key] !== theirs[key]);
    if (name === undefined) continue;
    const worker = (at: number): string => `${at} (${group.addresses[at]})`;
    throw new DataError(`Workers ${worker(0)} and ${worker(rank)} do not have the same files: ${name} differs.`, {
      code: 'data.differs',
      hint: 'Compare its files with sha256sum, and copy them again.',
    });
  }
}
