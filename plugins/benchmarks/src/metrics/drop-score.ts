import { withoutArticles, withoutPunctuation, type AnswerScore } from './answers';
import { bestAssignment } from './assignment';
import { parseFloat64, showFloat64, splitWords } from './python-text';

/** An answer's spans, normalized, and the set of words of each. */
interface Spans {
  readonly texts: readonly string[];
  readonly words: readonly ReadonlySet<string>[];
}

/**
 * Exact match and F1 of a predicted answer as the benchmark DROP's own script computes them (Dua et al., 2019). An answer
 * is a list of spans; `rightAnswers` are alternatives, each a list of spans, and each number is the best over them.
 * Right answers whose first span is blank do not count. F1 is rounded to two decimals, as there.
 */
export function dropScore(predicted: readonly string[], rightAnswers: readonly (readonly string[])[]): AnswerScore {
  const own = spansOf(predicted);
  const scores = rightAnswers
    .filter(([first = '']) => first.trim() !== '')
    .map((answer) => {
      const right = spansOf(answer);
      return { exactMatch: hasSameTexts(own, right) ? 1 : 0, f1: roundHalfEven(alignedF1(own, right), 2) };
    });
  return {
    exactMatch: Math.max(0, ...scores.map(({ exactMatch }) => exactMatch)),
    f1: Math.max(0, ...scores.map(({ f1 }) => f1)),
  };
}

/**
 * A span as DROP compares it: words split at spaces and hyphens, in lower case, numbers as floats, others without
 * punctuation and articles.
 *
 *     `The 7-Eleven, Inc.`   ->   `7.0 eleven inc`
 */
export function normalizeSpan(span: string): string {
  return span
    .split(/[ -]/)
    .map((part) => {
      const word = part.toLowerCase();
      const plain = parseFloat64(word) === undefined ? withoutPunctuation(word) : word;
      const number = parseFloat64(plain);
      return splitWords(withoutArticles(number === undefined ? plain : showFloat64(number))).join(' ');
    })
    .filter((part) => part !== '')
    .join(' ');
}

function spansOf(answer: readonly string[]): Spans {
  const texts = answer.map(normalizeSpan);
  return { texts, words: texts.map((text) => new Set(splitWords(text))) };
}

/** The same set of texts, and as many of them, as the script compares. */
function hasSameTexts({ texts: own }: Spans, { texts: right }: Spans): boolean {
  const [left, other] = [new Set(own), new Set(right)];
  return own.length === right.length && left.size === other.size && own.every((text) => other.has(text));
}

/** The mean F1 of the spans where each is compared with at most one of the other side, in the best way. */
function alignedF1({ words: own }: Spans, { words: right }: Spans): number {
  const most = Math.max(own.length, right.length);
  const scores = Array.from({ length: most }, (_, i) =>
    Array.from({ length: most }, (_unused, k) =>
      i < right.length && k < own.length && hasItsNumbers(right[i], own[k]) ? setF1(own[k], right[i]) : 0,
    ),
  );
  const chosen = bestAssignment(scores);
  return chosen.reduce((sum, k, i) => sum + scores[i][k], 0) / most;
}

/** Where the right span has numbers, the predicted one must have one of them. */
function hasItsNumbers(right: ReadonlySet<string>, own: ReadonlySet<string>): boolean {
  const numbers = [...right].filter((word) => parseFloat64(word) !== undefined);
  return numbers.length === 0 || numbers.some((word) => own.has(word));
}

function setF1(own: ReadonlySet<string>, right: ReadonlySet<string>): number {
  const common = [...right].filter((word) => own.has(word)).length;
  const precision = own.size === 0 ? 1 : common / own.size;
  const recall = right.size === 0 ? 1 : common / right.size;
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/** As numpy rounds: a half goes to the even digit. */
function roundHalfEven(value: number, decimals: number): number {
  const scaled = value * 10 ** decimals;
  const below = Math.floor(scaled);
  const isUp = scaled - below > 0.5 || (scaled - below === 0.5 && below % 2 === 1);
  return (isUp ? below + 1 : below) / 10 ** decimals;
}
