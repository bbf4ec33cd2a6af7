import { bleuTokens, type BleuTokenizer } from './bleu-tokenizers';
import { checkCorpus, referenceCount, SACREBLEU_VERSION } from './corpus';
import { countNgrams, matches, total, type Counts } from './ngrams';
import { withoutTrailingSpace } from './python-text';

/** Longest n-grams of BLEU. */
const ORDERS = 4;

/** How BLEU is computed. The defaults are sacrebleu's. */
export interface BleuOptions {
  /**
   * `13a` for languages with spaces between words, `zh` for Chinese, `char` for Japanese and others, `intl`, or `none`
   * for texts whose tokens are already separated by spaces. Default `13a`.
   */
  readonly tokenizer?: BleuTokenizer;
  /** Whether upper and lower case are the same. Default false. */
  readonly lowercase?: boolean;
  /** Leaves out orders for which there are no n-grams, as scores of single sentences should. Default false. */
  readonly effectiveOrder?: boolean;
}

/** BLEU of a corpus, and what it is computed from. */
export interface BleuScore {
  /** From 0 to 100. */
  readonly score: number;
  /** Of n-grams from 1 to 4 words, each from 0 to 100, after smoothing. */
  readonly precisions: readonly number[];
  /** At most 1; below 1 if the hypotheses are shorter than the references. */
  readonly brevityPenalty: number;
  /** Tokens of the hypotheses, and of the references closest to them in length. */
  readonly hypothesisTokens: number;
  readonly referenceTokens: number;
  /** sacrebleu's signature of these settings: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`. */
  readonly signature: string;
}

/** Counts of a corpus, summed over its segments. */
interface Sums {
  readonly correct: number[];
  readonly totals: number[];
  hypothesisTokens: number;
  referenceTokens: number;
}

/**
 * BLEU of a corpus (Papineni et al., 2002) as sacrebleu computes it, with exponential smoothing. `references`: a list
 * for each hypothesis. Throws DataError for a corpus without hypotheses, and where references are missing.
 */
export function bleu(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  { tokenizer = '13a', lowercase = false, effectiveOrder = false }: BleuOptions = {},
): BleuScore {
  checkCorpus(hypotheses, references, 'BLEU');
  const zeros = (): number[] => Array<number>(ORDERS).fill(0);
  const sums: Sums = { correct: zeros(), totals: zeros(), hypothesisTokens: 0, referenceTokens: 0 };
  const tokensOf = (text: string): string[] =>
    bleuTokens(withoutTrailingSpace(lowercase ? text.toLowerCase() : text), tokenizer);
  hypotheses.forEach((hypothesis, i) => addSegment(sums, tokensOf(hypothesis), references[i].map(tokensOf)));
  const { hypothesisTokens, referenceTokens } = sums;
  const brevityPenalty = brevityPenaltyOf(hypothesisTokens, referenceTokens);
  const settings = `case:${lowercase ? 'lc' : 'mixed'}|eff:${effectiveOrder ? 'yes' : 'no'}|tok:${tokenizer}|smooth:exp`;
  return {
    ...scoreOf(sums, brevityPenalty, effectiveOrder),
    brevityPenalty,
    hypothesisTokens,
    referenceTokens,
    signature: `nrefs:${referenceCount(references)}|${settings}|version:${SACREBLEU_VERSION}`,
  };
}

/** BLEU of one text, from 0 to 100, with only the orders that it has. */
export function sentenceBleu(
  hypothesis: string,
  references: readonly string[],
  options: Omit<BleuOptions, 'effectiveOrder'> = {},
): number {
  return bleu([hypothesis], [references], { ...options, effectiveOrder: true }).score;
}

function addSegment(sums: Sums, hypothesis: readonly string[], references: readonly (readonly string[])[]): void {
  for (let order = 1; order <= ORDERS; order++) {
    const own = countNgrams(hypothesis, order, ' ');
    sums.correct[order - 1] += matches(own, mostIn(references, order));
    sums.totals[order - 1] += total(own);
  }
  sums.hypothesisTokens += hypothesis.length;
  sums.referenceTokens += closestLength(hypothesis.length, references);
}

/** Each n-gram as often as the reference that has it most often. */
function mostIn(references: readonly (readonly string[])[], order: number): Counts {
  const most: Counts = new Map();
  for (const reference of references)
    for (const [gram, count] of countNgrams(reference, order, ' '))
      most.set(gram, Math.max(most.get(gram) ?? 0, count));
  return most;
}

/** Of two references that are equally close, the shorter one. */
function closestLength(length: number, references: readonly (readonly string[])[]): number {
  const distance = (other: number): number => Math.abs(other - length);
  return references
    .map((reference) => reference.length)
    .reduce((best, other) =>
      distance(other) < distance(best) || (distance(other) === distance(best) && other < best) ? other : best,
    );
}

function brevityPenaltyOf(hypothesisTokens: number, referenceTokens: number): number {
  if (hypothesisTokens >= referenceTokens) return 1;
  return hypothesisTokens > 0 ? Math.exp(1 - referenceTokens / hypothesisTokens) : 0;
}

/** sacrebleu's logarithm of a precision of 0, so that one order without a match does not need a limit. */
const LOG_OF_ZERO = -9999999999;

function scoreOf(
  { correct, totals }: Sums,
  brevityPenalty: number,
  effectiveOrder: boolean,
): Pick<BleuScore, 'score' | 'precisions'> {
  const precisions = Array<number>(ORDERS).fill(0);
  if (correct.every((count) => count === 0)) return { score: 0, precisions };
  let smoothing = 1;
  let orders = ORDERS;
  for (let i = 0; i < ORDERS && totals[i] > 0; i++) {
    if (effectiveOrder) orders = i + 1;
    // An order without a match counts as half a match, the next one as a quarter, and so on.
    if (correct[i] === 0) smoothing *= 2;
    precisions[i] = (100 * (correct[i] || 1 / smoothing)) / totals[i];
  }
  const logs = precisions.slice(0, orders).map((precision) => (precision === 0 ? LOG_OF_ZERO : Math.log(precision)));
  const mean = logs.reduce((sum, log) => sum + log, 0) / orders;
  return { score: brevityPenalty * Math.exp(mean), precisions };
}
