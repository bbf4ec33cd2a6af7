import { isProcess } from '@graft/engine/internal';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Identifies the process that works on something. A process id alone is not enough, because it is soon reused. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Boot and start time of the process, if the system reports it (Linux). */
  readonly started?: string;
  /** The PID namespace, if the system reports it (Linux): containers on one machine have different ones. */
  readonly namespace?: string;
}

/** `unknown`: it cannot be seen from here, or the system does not report whether the id has been reused. */
export type Liveness = 'alive' | 'dead' | 'unknown';

/** `state`: Z and X are processes that have ended, but whose parent has not asked for their status. */
function processAt(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    // The second field is the program's name in parentheses and may contain spaces; the start time is the 22nd.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()!.split(' ');
    return {
      state: fields[0],
      started: `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`,
    };
  } catch {
    return undefined;
  }
}

function ownNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return undefined;
  }
}

let own: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  own ??= {
    pid: process.pid,
    host: hostname(),
    started: processAt(process.pid)?.started,
    namespace: ownNamespace(),
  };
  return own;
}

/**
 * Whether that process is alive, as far as it can be seen from here. Two machines may have the same name (containers of
 * one image, a machine before and after a reboot): only a process of this boot and this namespace is looked up by its
 * id.
 */
export function livenessOf({ pid, host, started, namespace }: ProcessIdentity): Liveness {
  const here = ownIdentity();
  const boot = (start: string | undefined): string | undefined => start?.split('/')[0];
  // Identities of earlier versions, without a namespace, count as being in this one.
  if (host !== here.host || (namespace !== undefined && namespace !== here.namespace)) return 'unknown';
  if (started !== undefined && boot(started) !== boot(here.started)) return 'unknown';
  if (!isProcess(pid)) return 'dead';
  const found = processAt(pid);
  if (started === undefined || found === undefined) return 'unknown';
  return found.started === started && !'ZX'.includes(found.state) ? 'alive' : 'dead';
}
