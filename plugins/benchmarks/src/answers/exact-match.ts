/** Text that a model wrote, compared with right answers as the field's harness does. */
import { withoutPunctuation } from '../metrics/answers';

/** What `firstMatch` and `lastMatch` return where nothing matches; it is compared like any answer. */
export const NO_ANSWER = '[invalid]';

/** How two texts are made comparable. */
export interface ComparisonRules {
  /** Removed from both, in order. */
  readonly without?: readonly RegExp[];
  readonly ignoreCase?: boolean;
  /** Whether the 32 signs of ASCII are removed. */
  readonly ignorePunctuation?: boolean;
}

/** 1 if the text equals any of the right answers under the rules, otherwise 0. */
export function exactMatch(text: string, right: readonly string[], rules: ComparisonRules = {}): number {
  const plain = comparable(text, rules);
  return Number(right.some((one) => comparable(one, rules) === plain));
}

function comparable(text: string, { without = [], ignoreCase, ignorePunctuation }: ComparisonRules): string {
  let plain = without.reduce((rest, pattern) => rest.replace(pattern, ''), text);
  if (ignoreCase) plain = plain.toLowerCase();
  if (ignorePunctuation) plain = withoutPunctuation(plain);
  return plain;
}

/**
 * The first match of a global pattern: its first group that is not empty, otherwise the whole, without white space at its
 * ends.
 *
 *     firstMatch('#### 7\n#### 8', /#### (\d+)/g)   ->   '7'
 */
export function firstMatch(text: string, pattern: RegExp): string {
  return matchAt(text, pattern, 0);
}

/** The same of the last match. */
export function lastMatch(text: string, pattern: RegExp): string {
  return matchAt(text, pattern, -1);
}

function matchAt(text: string, pattern: RegExp, at: number): string {
  const match = [...text.matchAll(pattern)].at(at);
  if (!match) return NO_ANSWER;
  const [whole, ...groups] = match;
  return (groups.length === 0 ? whole : (groups.find((group) => group !== undefined && group !== '') ?? '')).trim();
}
