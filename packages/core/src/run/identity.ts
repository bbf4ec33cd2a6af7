import { createHash } from 'node:crypto';

/**
 * `20261123-140501-042-9f3a2c`: UTC time to the millisecond, so that ids sort by age unless the clock goes back, and
 * the beginning of a hash of the config, so that a reader recognises two runs of one config at a glance.
 */
export function runId(config: object, time: Date): string {
  const [day, clock] = time.toISOString().replaceAll('-', '').split('T');
  const hash = createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 6);
  return `${day}-${clock.slice(0, 8).replaceAll(':', '')}-${clock.slice(9, 12)}-${hash}`;
}
