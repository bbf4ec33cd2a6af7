import { isRecord, kindOf } from './returned';

/** What JSON would change in a value, as `holds NaN at "a.b"`; undefined where it stays as it is. */
export function describeLost(value: unknown): string | undefined {
  const found = lost(value, []);
  if (!found) return undefined;
  return found.path.length > 0 ? `holds ${found.kind} at "${found.path.join('.')}"` : `is ${found.kind}`;
}

/** The first value that JSON would change. */
function lost(value: unknown, path: readonly string[]): { path: readonly string[]; kind: string } | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value))
    return undefined;
  const entries = Array.isArray(value)
    ? Array.from(value as unknown[], (item, i) => [String(i), item] as const)
    : isRecord(value)
      ? Object.entries(value).filter(([, item]) => item !== undefined)
      : undefined;
  if (!entries) return { path, kind: kindOf(value) };
  for (const [key, item] of entries) {
    const found = lost(item, [...path, key]);
    if (found) return found;
  }
  return undefined;
}
