/** What `graft runs` knows about a run, and how it selects and orders runs. */
import type { RunData } from '@graft/report';
import { CommandLineError } from './command-line-error';

/** A run with its values by key: of its record, its numbers, and its config. */
export interface QueriedRun {
  readonly run: RunData;
  readonly values: ReadonlyMap<string, unknown>;
}

/** `numbers`: those of `runNumbers`. */
export function queriedRun(run: RunData, numbers: Readonly<Record<string, number>>): QueriedRun {
  const { record, config, folder, title } = run;
  const { name, id, status, kind = 'training', createdAt, updatedAt, engine, error, stopped } = record;
  const own = {
    run: title,
    name,
    id,
    status,
    kind,
    created: createdAt,
    updated: updatedAt,
    engine,
    error,
    stopped,
    folder,
  };
  const { versions: _versions, engine: engineSection, name: _name, ...rest } = config;
  const values = new Map<string, unknown>([
    ...leaves(rest, ''),
    ...leaves(engineSection, 'engine'),
    ...Object.entries(own),
    ...Object.entries(numbers),
  ]);
  return { run, values };
}

/** A config's values by key, those of sections too: `optimizer` is its component's name. */
function leaves(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return path === '' ? [] : [[path, value]];
  const inner = Object.entries(value).flatMap(([key, own]) => leaves(own, path === '' ? key : `${path}.${key}`));
  const { use } = value as { readonly use?: unknown };
  return typeof use === 'string' ? [[path, use], ...inner] : inner;
}

/** A condition of `--where`. */
export interface Condition {
  readonly key: string;
  readonly operator: '=' | '!=' | '<' | '<=' | '>' | '>=';
  readonly value: string;
}

/** `KEY=VALUE`, also with `!=`, `<`, `<=`, `>`, `>=`. Throws CommandLineError for anything else. */
export function parseCondition(text: string): Condition {
  const [, key, operator, value] = /^([^\s=<>!]+)\s*(!=|<=|>=|=|<|>)\s*(.+)$/.exec(text.trim()) ?? [];
  if (key === undefined)
    throw new CommandLineError(
      `--where ${text}: expected a key, one of = != < <= > >=, and a value, such as status=finished or 'heldOut/loss<2.5'.`,
    );
  const condition = { key, operator: operator as Condition['operator'], value };
  if (/[<>]/.test(operator) && !Number.isFinite(Number(value)) && !isTime(value))
    throw new CommandLineError(`--where ${text}: ${operator} compares numbers or times, and "${value}" is neither.`);
  return condition;
}

/** `2026-11-27`, or longer. */
const isTime = (value: string): boolean => /^\d{4}-\d\d-\d\d/.test(value);

/** Whether a run has such a value; a run without the key has none. */
export function matches({ values }: QueriedRun, { key, operator, value }: Condition): boolean {
  const own = values.get(key);
  if (own === undefined || own === null) return operator === '!=';
  if (operator === '=' || operator === '!=') return (operator === '=') === isLike(own, value);
  const order = typeof own === 'number' ? own - Number(value) : textOf(own).localeCompare(value, 'en');
  return { '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[operator];
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** `*` stands for any text. */
function isLike(own: unknown, value: string): boolean {
  if (typeof own === 'number') return own === Number(value);
  const text = textOf(own);
  const pattern = value.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pattern.join('.*')}$`, 's').test(text);
}

/** Runs by the value of a key, from the smallest; those without it last. */
export function sortedBy(runs: readonly QueriedRun[], key: string, isDescending: boolean): QueriedRun[] {
  const [having, lacking] = [true, false].map((has) => runs.filter(({ values }) => isThere(values.get(key)) === has));
  const ordered = having.sort((a, b) => {
    const [one, other] = [a.values.get(key), b.values.get(key)];
    if (typeof one === 'number' && typeof other === 'number') return one - other;
    return textOf(one).localeCompare(textOf(other), 'en', { numeric: true });
  });
  return [...(isDescending ? ordered.reverse() : ordered), ...lacking];
}

const isThere = (value: unknown): boolean => value !== undefined && value !== null && !Number.isNaN(value);

/** Throws UsageError for a key that none of the runs has. */
export async function checkKeys(runs: readonly QueriedRun[], keys: readonly string[]): Promise<void> {
  const { didYouMean, UsageError } = await import('@graft/core');
  const known = [...new Set(runs.flatMap(({ values }) => [...values.keys()]))];
  for (const key of keys) {
    if (known.includes(key)) continue;
    const whole = known.find((one) => one.endsWith(`.${key}`) || one.endsWith(`/${key}`));
    const meant = whole === undefined ? didYouMean(key, known) : `; did you mean "${whole}"?`;
    throw new UsageError(`None of the runs has a key "${key}"${meant || '.'}`, {
      code: 'runs.unknown-key',
      hint: 'Keys are those of a config (optimizer.learningRate), EVALUATOR/METRIC, loss, steps, seconds, tokens, parameters, status, name, created.',
    });
  }
}
