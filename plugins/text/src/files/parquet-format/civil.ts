/** Dates and times in ISO 8601. Dates beyond JavaScript's calendar, about 270,000 years, are undefined. */
export type Unit = 'MILLIS' | 'MICROS' | 'NANOS';

const PER_SECOND: Readonly<Record<Unit, bigint>> = { MILLIS: 1000n, MICROS: 1_000_000n, NANOS: 1_000_000_000n };
const DAY_SECONDS = 86_400n;

/** `2024-01-31`, from days since 1970. */
export function civilDate(days: bigint): string | undefined {
  const date = new Date(Number(days) * 86_400_000);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().split('T')[0];
}

/**
 * `12:30:00`, with a fraction of all the unit's digits if there is one; the time counts from the beginning of the day.
 */
export function civilTime(time: bigint, unit: Unit): string | undefined {
  const second = PER_SECOND[unit];
  const seconds = time / second;
  if (time < 0n || seconds >= DAY_SECONDS) return undefined;
  const two = (value: bigint): string => String(value).padStart(2, '0');
  const whole = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map(two).join(':');
  const fraction = time % second;
  return fraction === 0n ? whole : `${whole}.${String(fraction).padStart(String(second).length - 1, '0')}`;
}

/** `2024-01-31T12:30:00`, with `Z` if it is in UTC, from the time since 1970. */
export function civilTimestamp(time: bigint, unit: Unit, inUtc: boolean): string | undefined {
  const day = DAY_SECONDS * PER_SECOND[unit];
  const inDay = ((time % day) + day) % day;
  const date = civilDate((time - inDay) / day);
  return date === undefined ? undefined : `${date}T${civilTime(inDay, unit)}${inUtc ? 'Z' : ''}`;
}
