import { table } from './table';

/**
 * An evaluator's numbers for readers: those named `group/metric` as a table with one row per group, the others below
 * it.
 */
export function evaluationTable(metrics: Readonly<Record<string, number>>): string {
  const groups = new Map<string, Map<string, number>>();
  const alone: string[][] = [];
  const columns: string[] = [];
  for (const [name, value] of Object.entries(metrics)) {
    const slash = name.indexOf('/');
    if (slash < 0) {
      alone.push([name, format(value, Number.isInteger(value))]);
      continue;
    }
    const [group, metric] = [name.slice(0, slash), name.slice(slash + 1)];
    const own = groups.get(group) ?? new Map<string, number>();
    // A metric that only later groups have is placed in their order, not at the end.
    const before = [...own.keys()].pop();
    if (!columns.includes(metric)) columns.splice(before === undefined ? 0 : columns.indexOf(before) + 1, 0, metric);
    groups.set(group, own.set(metric, value));
  }
  const numbers = [...columns.keys()].map((column) => column + 1);
  const whole = columns.map((column) => [...groups.values()].every((own) => Number.isInteger(own.get(column) ?? 0)));
  const rows = [...groups].map(([group, own]) => [
    group,
    ...columns.map((column, i) => (own.has(column) ? format(own.get(column)!, whole[i]) : '')),
  ]);
  const parts = rows.length > 0 ? [table(['', ...columns], rows, { right: numbers })] : [];
  if (alone.length > 0) parts.push(table(['', 'value'], alone, { right: [1] }));
  return parts.join('\n\n');
}

/** Counts as integers, learning rates as they were written, everything else with four decimals. */
function format(value: number, whole: boolean): string {
  if (whole || !Number.isFinite(value)) return String(value);
  return value !== 0 && Math.abs(value) < 0.01 ? String(Number(value.toPrecision(4))) : value.toFixed(4);
}
