import { ConfigError, DataError, type Engine, type WorkerGroup } from '@graft/engine';
import { checkNetwork, controlKey, NETWORK_EXPOSURE } from '@graft/engine/internal';
import type { Objective } from '../interfaces';
import type { Logger } from '../util/logger';
import { rememberSecret } from '../secrets/redact';
import type { ExperimentConfig } from '../config';
import { comparableConfig, type Json } from '../secrets/mask';
import { show } from '../util/show';
import { ALWAYS_FREE, differences } from '../config/differences';

/** The processes that train a run together. */
export interface WorkerOptions {
  /** `host:port` of every worker, in the order of ranks. */
  readonly addresses: readonly string[];
  /** This process's rank. Worker 0 writes the run folder. */
  readonly rank: number;
  /**
   * The secret that only the workers of the group know, at least 16 bytes. It is never written or sent: connections
   * prove that they have it.
   */
  readonly secret: string | Uint8Array;
  /** All workers are processes of this machine and of one user, and share memory. Default: false. */
  readonly local?: boolean;
  /**
   * Consents to TensorFlow's server, which workers on several hosts need: it listens on every interface, and neither
   * encrypts nor authenticates. Default: false, which rejects such a group.
   */
  readonly insecureNetwork?: boolean;
  /** How long to wait for the others to join. Default 300 s. */
  readonly timeoutMs?: number;
  /** Aborting it ends the wait for the others with its reason. */
  readonly signal?: AbortSignal;
}

/** Throws UsageError if these options do not allow joining a group, before anything is opened. */
export function checkWorkerOptions(options: WorkerOptions): void {
  checkNetwork(options);
  controlKey(options.secret);
  // Graft never logs or writes it; if a plugin does, it is masked there.
  rememberSecret(Buffer.from(options.secret).toString());
}

/**
 * Waits for the other workers, and checks that they have the same experiment. Throws WorkersError, UsageError or
 * ConfigError.
 */
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
  // Without secrets, which each machine may store in a different place.
  const own = comparableConfig({
    ...common,
    'engine.mode': engine.executor,
    'engine.device': engine.device,
  }) as { [key: string]: Json };
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

/**
 * Throws DataError, the same in all workers, if an objective's files differ in one of them, for example a teacher's.
 */
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
