import { createHash } from 'node:crypto';

/**
 * `20261123-140501-042-9f3a2c`: UTC time to the millisecond, so that ids sort by age while the clock runs on, and the beginning of a hash of the
 * config, so that two runs of one config are recognised at a glance.
 */
export function runId(config: object, time: Date): string {
  const [day, clock] = time.toISOString().replaceAll('-', '').split('T');
  const hash = createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 6);
  return `${day}-${clock.slice(0, 8).replaceAll(':', '')}-${clock.slice(9, 12)}-${hash}`;
}
