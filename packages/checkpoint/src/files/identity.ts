import { isProcess } from '@graft/engine';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Which process works on something. A process id alone is soon given to another. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Boot and start time of the process, where the system says (Linux). */
  readonly started?: string;
  /** Within which its id counts, where the system says (Linux): containers on one machine have several. */
  readonly namespace?: string;
}

/** `unknown`: it cannot be seen from here, or the system does not say whether the id has been given to another process. */
export type Liveness = 'alive' | 'dead' | 'unknown';

/** `state`: Z and X are processes that have ended, but whose parent has not asked for their status. */
function processAt(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    // The second field is the program's name in parentheses and may hold spaces; the start time is the 22nd.
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
 * Whether that process is alive, as far as it can be seen from here. Two machines may have one name (containers of one
 * image, a machine before and after it booted): only a process of this boot and this namespace is looked for by its id.
 */
export function livenessOf({ pid, host, started, namespace }: ProcessIdentity): Liveness {
  const here = ownIdentity();
  const boot = (start: string | undefined): string | undefined => start?.split('/')[0];
  // Identities that were written before there was a namespace in them are looked for as if they were in this one.
  if (host !== here.host || (namespace !== undefined && namespace !== here.namespace)) return 'unknown';
  if (started !== undefined && boot(started) !== boot(here.started)) return 'unknown';
  if (!isProcess(pid)) return 'dead';
  const found = processAt(pid);
  if (started === undefined || found === undefined) return 'unknown';
  return found.started === started && !'ZX'.includes(found.state) ? 'alive' : 'dead';
}
