import { DataError } from '@graft/core';

/** The release of sacrebleu with whose numbers BLEU and chrF are compared; its signatures name it. */
export const SACREBLEU_VERSION = '2.6.0';

/**
 * Throws DataError unless there is at least one hypothesis, and for each a list of at least one reference. `metric` is
 * named in the error.
 */
export function checkCorpus(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  metric: string,
): void {
  const fail = (message: string): DataError =>
    new DataError(message, {
      code: 'benchmarks.references',
      exitCode: 2,
      hint: 'Give as many lists of references as hypotheses, in the same order, each with at least one text.',
    });
  if (hypotheses.length === 0) throw fail(`${metric} of no hypothesis is undefined.`);
  if (hypotheses.length !== references.length)
    throw fail(`${metric} got ${hypotheses.length} hypotheses, but references for ${references.length}.`);
  const lone = references.findIndex((own) => own.length === 0);
  if (lone >= 0) throw fail(`${metric} got no reference for hypothesis ${lone + 1}.`);
}

/** How many references each hypothesis has, as signatures state it. */
export function referenceCount(references: readonly (readonly string[])[]): string {
  const counts = new Set(references.map((own) => own.length));
  return counts.size === 1 ? String([...counts][0]) : 'var';
}
