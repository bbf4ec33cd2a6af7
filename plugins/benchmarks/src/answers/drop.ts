/** Answers of DROP: numbers, dates and spans of text, compared as the benchmark's own script does. */
import { withoutPunctuation } from './exact-match';

/** Scores of a text against one gold answer of several spans, both from 0 to 1. */
export interface SpanScores {
  readonly exactMatch: number;
  /** Rounded to two decimals. */
  readonly f1: number;
}

/** The best scores over the gold answers. A generated text is one span, even if it lists several. */
export function scoreSpans(text: string, golds: readonly (readonly string[])[]): SpanScores {
  let best: SpanScores = { exactMatch: 0, f1: 0 };
  for (const gold of golds) {
    if (gold[0].trim() === '') continue;
    const own = scoreAgainst(text, gold);
    best = { exactMatch: Math.max(best.exactMatch, own.exactMatch), f1: Math.max(best.f1, own.f1) };
  }
  return best;
}

function scoreAgainst(text: string, gold: readonly string[]): SpanScores {
  const span = normalized(text);
  const spans = gold.map(normalized);
  const f1s = spans.map((one) => f1Of(wordsOf(span), wordsOf(one)));
  return {
    exactMatch: Number(spans.length === 1 && spans[0] === span),
    // One span of text is aligned with the best of the gold spans; the others find none.
    f1: Number((Math.max(...f1s) / spans.length).toFixed(2)),
  };
}

const wordsOf = (span: string): ReadonlySet<string> => new Set(span.split(/\s+/).filter((word) => word !== ''));

/** 0 if the gold span has numbers, and none of them is in the text. */
function f1Of(words: ReadonlySet<string>, gold: ReadonlySet<string>): number {
  const numbers = [...gold].filter(isNumber);
  if (numbers.length > 0 && !numbers.some((number) => words.has(number))) return 0;
  const common = [...gold].filter((word) => words.has(word)).length;
  const precision = words.size === 0 ? 1 : common / words.size;
  const recall = gold.size === 0 ? 1 : common / gold.size;
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/**
 * In lower case, without articles and punctuation, numbers in one notation.
 *
 *     normalized('The 22-yard pass')   ->   '22.0 yard pass'
 */
function normalized(text: string): string {
  return text
    .split(/ |-/)
    .map((piece) => {
      const word = piece.toLowerCase();
      const number = isNumber(word) ? word : withoutPunctuation(word);
      const plain = isNumber(number) ? asFloat(number) : number;
      return plain
        .replace(/\b(a|an|the)\b/g, ' ')
        .split(/\s+/)
        .filter(Boolean)
        .join(' ');
    })
    .filter((word) => word !== '')
    .join(' ');
}

/** What Python reads as a float. */
function isNumber(text: string): boolean {
  return /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+)?$|^[+-]?(inf|infinity|nan)$/i.test(text.trim());
}

/** As Python writes a float: `22.0`. */
function asFloat(text: string): string {
  const value = Number(text.trim().replaceAll('_', ''));
  if (Number.isNaN(value)) return text.trim().toLowerCase().replace(/^\+/, '').replace('infinity', 'inf');
  return Number.isInteger(value) && Math.abs(value) < 1e16 ? `${value}.0` : String(value);
}
