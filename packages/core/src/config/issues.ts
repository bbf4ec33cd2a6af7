import { ConfigError } from '@graft/engine';
import type { z } from 'zod';
import { redact } from '../secrets/redact';
import { show } from '../util/show';
import { didYouMean, nearest } from '../util/suggest';

/** One problem of a config. */
export interface ConfigIssue {
  /** File, `--set`, or `config` for a value given in code. */
  readonly source: string;
  /** Key path, e.g. `optimizer.betas.1`. */
  readonly path: string;
  /** The whole sentence, without source and path. */
  readonly message: string;
  /** The expected value. */
  readonly expected?: string;
  /** The actual value as JSON, shortened. */
  readonly got?: string;
  /** The valid key, id or word that was probably meant. */
  readonly nearest?: string;
}

/** Every problem of a config at once. */
export class InvalidConfigError extends ConfigError {
  readonly issues: readonly ConfigIssue[];

  constructor(found: readonly ConfigIssue[]) {
    const issues = found.map(
      (issue) =>
        Object.fromEntries(
          Object.entries(issue).map(([key, text]) => [key, redact(text as string)]),
        ) as unknown as ConfigIssue,
    );
    const lines = issues.map(({ source, path, message }) => `  ${source}: ${path}: ${message}`);
    super(issues.length === 1 ? lines[0].trim() : `${issues.length} problems in the config:\n${lines.join('\n')}`, {
      code: 'config.invalid',
    });
    this.issues = issues;
  }
}

/** A problem before its source is known. */
export interface Finding extends Omit<ConfigIssue, 'source' | 'path'> {
  readonly path: readonly PropertyKey[];
  /** Whether no such key exists. */
  readonly isUnknownKey?: boolean;
}

/** The keys that an object at a path may have. */
export type KnownKeys = (path: readonly PropertyKey[]) => readonly string[];

/** zod's issues in Graft's words. `value` is the parsed value. */
export function explainIssues(issues: readonly z.core.$ZodIssue[], value: unknown, knownKeys: KnownKeys): Finding[] {
  return issues.flatMap((issue) => explain(issue, value, knownKeys));
}

function explain(issue: z.core.$ZodIssue, value: unknown, knownKeys: KnownKeys): Finding[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(key, path, knownKeys(path)));
  if (issue.code === 'invalid_union') {
    const inner = insideUnion(issue);
    if (inner) return explainIssues(inner, value, knownKeys);
  }
  if (issue.code === 'custom' && issue.params?.finding) {
    return [{ ...(issue.params.finding as Omit<Finding, 'path'>), path }];
  }
  const there = valueAt(value, path);
  const got = show(there);
  const expected = expectation(issue);
  if (expected === undefined) return [{ path, message: issue.message, got }];
  const words = 'values' in issue ? issue.values.filter((word) => typeof word === 'string') : [];
  const best = typeof there === 'string' ? nearest(there, words) : undefined;
  const hint = typeof there === 'string' ? didYouMean(there, words) : '';
  return [{ path, message: `expected ${expected}, got ${got}${hint}`, expected, got, nearest: best }];
}

export function unknownKey(key: string, path: readonly PropertyKey[], known: readonly string[]): Finding {
  const list = known.length > 0 ? `; known are ${known.join(', ')}` : '';
  return {
    path: [...path, key],
    message: `unknown key${didYouMean(key, known) || list}`,
    expected: known.length > 0 ? `one of ${known.join(', ')}` : undefined,
    nearest: nearest(key, known),
    isUnknownKey: true,
  };
}

export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  // A component in its short form is an object without options.
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  );
}

const NAMES: Readonly<Record<string, string>> = { int: 'whole number', array: 'list', record: 'object', tuple: 'list' };

/** What zod expected; undefined if the schema's author wrote a message, which is better. */
function expectation(issue: z.core.$ZodIssue): string | undefined {
  // zod's own messages begin like this; nothing else distinguishes them.
  const own = /^(Invalid|Too|Unrecognized)\b/.test(issue.message);
  switch (issue.code) {
    case 'invalid_type':
      return own ? (NAMES[issue.expected] ?? issue.expected) : undefined;
    case 'invalid_value':
      return own ? oneOf(issue.values) : undefined;
    case 'too_small':
      return own ? `${unitOf(issue.origin, issue.minimum, issue.inclusive ? 'at least' : 'more than')}` : undefined;
    case 'too_big':
      return own ? `${unitOf(issue.origin, issue.maximum, issue.inclusive ? 'at most' : 'less than')}` : undefined;
    case 'invalid_format':
      if (!own) return issue.message.replace(/^expected /, '');
      return issue.pattern ? `text that matches ${issue.pattern}` : `text in the form "${issue.format}"`;
    case 'not_multiple_of':
      return own ? `a multiple of ${issue.divisor}` : undefined;
    case 'invalid_union':
      return own ? unionOf(issue) : undefined;
    default:
      return issue.message === 'Invalid input' ? 'another value' : undefined;
  }
}

function oneOf(values: readonly unknown[]): string {
  return values.length === 1 ? show(values[0]) : `one of ${values.map(show).join(', ')}`;
}

function unitOf(origin: string, bound: number | bigint, comparison: string): string {
  if (origin === 'string') return `text of ${comparison} ${bound} characters`;
  if (origin === 'array' || origin === 'set') return `${comparison} ${bound} items`;
  return `${comparison} ${bound}`;
}

type UnionIssue = z.core.$ZodIssueInvalidUnion;

function unionOf(issue: UnionIssue): string {
  const { options } = issue as { options?: readonly unknown[] };
  if (options) return oneOf(options);
  const parts = issue.errors.map(([first]) => (first && expectation(first)) || undefined);
  return [...new Set(parts.filter((part) => part !== undefined))].join(' or ') || 'another value';
}

/** The issues of the alternative that was meant: the one that parsed furthest; undefined if all failed immediately. */
function insideUnion({ errors, path }: UnionIssue): z.core.$ZodIssue[] | undefined {
  const inner = errors.filter((branch) => branch.some((issue) => issue.path.length > 0 || !isMismatch(issue)));
  if (inner.length === 0) return undefined;
  const best = inner.reduce((a, b) => (b.length < a.length ? b : a));
  return best.map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
}

function isMismatch(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_union';
}
