import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * `20261123-140501-042-9f3a2c`: UTC time to the millisecond, so that ids sort by age, and the beginning of a hash of the
 * config, so that two runs of one config are told at a glance.
 */
export function runId(config: object, time: Date): string {
  const [day, clock] = time.toISOString().replaceAll('-', '').split('T');
  const hash = createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 6);
  return `${day}-${clock.slice(0, 8).replaceAll(':', '')}-${clock.slice(9, 12)}-${hash}`;
}

/** Which process works on a run. A process id alone is soon given to another. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Boot and start time of the process, where the system tells (Linux). */
  readonly started?: string;
}

function startOf(pid: number): string | undefined {
  try {
    // The second field is the program's name in parentheses and may hold spaces; the start time is the 22nd.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()!.split(' ');
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), started: startOf(process.pid) };
}

/** Whether that process is alive. Of another machine's processes nothing is known: they count as gone. */
export function isAlive({ pid, host, started }: ProcessIdentity): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return started === undefined || started === startOf(pid);
}
