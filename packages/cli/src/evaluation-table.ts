import { table } from './table';

/**
 * An evaluator's numbers for people: those named `group/metric` as a table with a row a group, the others below it.
 */
export function evaluationTable(metrics: Readonly<Record<string, number>>): string {
  const groups = new Map<string, Map<string, number>>();
  const alone: string[][] = [];
  const columns: string[] = [];
  for (const [name, value] of Object.entries(metrics)) {
    const slash = name.indexOf('/');
    if (slash < 0) {
      alone.push([name, format(value)]);
      continue;
    }
    const [group, metric] = [name.slice(0, slash), name.slice(slash + 1)];
    if (!groups.has(group)) groups.set(group, new Map());
    groups.get(group)!.set(metric, value);
    if (!columns.includes(metric)) columns.push(metric);
  }
  const numbers = [...columns.keys()].map((column) => column + 1);
  const rows = [...groups].map(([group, own]) => [
    group,
    ...columns.map((column) => (own.has(column) ? format(own.get(column)!) : '')),
  ]);
  const parts = rows.length > 0 ? [table(['', ...columns], rows, { right: numbers })] : [];
  if (alone.length > 0) parts.push(table(['', 'value'], alone, { right: [1] }));
  return parts.join('\n\n');
}

/** Counts whole, learning rates as they were written, everything else with four decimals. */
function format(value: number): string {
  if (Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  return Math.abs(value) < 0.01 ? String(Number(value.toPrecision(4))) : value.toFixed(4);
}
