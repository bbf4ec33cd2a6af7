import { DataError } from '@graft/core';
import { countNgrams, matches, total } from './ngrams';

/** The variants of ROUGE: overlap of words, of pairs of words, and the longest common subsequence. */
export const ROUGE_TYPES = ['rouge1', 'rouge2', 'rougeL'] as const;
/** A variant of ROUGE. */
export type RougeType = (typeof ROUGE_TYPES)[number];

/** Precision, recall and their F1, each from 0 to 1. */
export interface RougeScore {
  readonly precision: number;
  readonly recall: number;
  readonly fmeasure: number;
}

/**
 * ROUGE of one text (Lin, 2004) as rouge-score computes it, without a stemmer. Of several references, for each variant
 * the one with the best F1 counts. The score of a corpus is the mean over its texts. Throws DataError without a
 * reference.
 */
export function rouge(prediction: string, references: readonly string[]): Readonly<Record<RougeType, RougeScore>> {
  if (references.length === 0)
    throw new DataError('ROUGE got no reference.', {
      code: 'benchmarks.references',
      exitCode: 2,
      hint: 'Give each prediction at least one reference.',
    });
  const own = rougeTokens(prediction);
  const scores = references.map((reference) => scoresOf(rougeTokens(reference), own));
  const best = (type: RougeType): RougeScore =>
    scores.map((of) => of[type]).reduce((chosen, other) => (other.fmeasure > chosen.fmeasure ? other : chosen));
  return { rouge1: best('rouge1'), rouge2: best('rouge2'), rougeL: best('rougeL') };
}

/** Runs of the letters a to z and digits, in lower case: text in other scripts has no token, as in rouge-score. */
function rougeTokens(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

function scoresOf(reference: readonly string[], own: readonly string[]): Record<RougeType, RougeScore> {
  const ofNgrams = (order: number): RougeScore => {
    const [wanted, given] = [countNgrams(reference, order, ' '), countNgrams(own, order, ' ')];
    return scoreOf(matches(wanted, given), total(given), total(wanted));
  };
  return {
    rouge1: ofNgrams(1),
    rouge2: ofNgrams(2),
    rougeL: scoreOf(commonSubsequence(reference, own), own.length, reference.length),
  };
}

function scoreOf(common: number, given: number, wanted: number): RougeScore {
  const precision = common / Math.max(given, 1);
  const recall = common / Math.max(wanted, 1);
  const sum = precision + recall;
  return { precision, recall, fmeasure: sum > 0 ? (2 * precision * recall) / sum : 0 };
}

/** Length of the longest common subsequence, in memory for one row of the table. */
function commonSubsequence(left: readonly string[], right: readonly string[]): number {
  const lengths = new Uint32Array(right.length + 1);
  for (const word of left) {
    let before = 0;
    for (let i = 1; i <= right.length; i++) {
      const above = lengths[i];
      lengths[i] = word === right[i - 1] ? before + 1 : Math.max(above, lengths[i - 1]);
      before = above;
    }
  }
  return lengths[right.length];
}
