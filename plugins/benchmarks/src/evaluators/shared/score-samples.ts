import { answerScore } from '../../metrics/answers';
import { bleu } from '../../metrics/bleu';
import type { BleuTokenizer } from '../../metrics/bleu-tokenizers';
import { chrf } from '../../metrics/chrf';
import { rouge } from '../../metrics/rouge';
import type { TextRow } from './text-rows';

/** A generated text. */
export interface Sample extends TextRow {
  readonly output: string;
  /** Tokens generated, without an end token. */
  readonly newTokens: number;
  /** Whether an end token or a stop text ended it, not the limit. */
  readonly isFinished: boolean;
}

/** Scores of one sample against its references. */
export interface SampleScores {
  readonly chrf: number;
  readonly rougeL: number;
  readonly exactMatch: number;
  readonly f1: number;
}

/** Samples with their scores, and the scores of all together. */
export interface ScoredSamples {
  readonly samples: readonly (Sample & { readonly scores?: SampleScores })[];
  readonly metrics: Record<string, number>;
  /** Of the corpus scores by metric: the settings, as sacrebleu names them. */
  readonly signatures: Readonly<Record<string, string>>;
}

/** Scores outputs against references. Either all samples have references or none; there must be at least one sample. */
export function scoreSamples(
  samples: readonly Sample[],
  { bleuTokenizer }: { readonly bleuTokenizer: BleuTokenizer },
): ScoredSamples {
  const mean = <T>(list: readonly T[], of: (one: T) => number): number =>
    list.reduce((sum, one) => sum + of(one), 0) / list.length;
  const plain = {
    rows: samples.length,
    newTokens: mean(samples, ({ newTokens }) => newTokens),
    unfinished: mean(samples, ({ isFinished }) => (isFinished ? 0 : 1)),
  };
  if (samples[0].references.length === 0) return { samples, metrics: plain, signatures: {} };
  const outputs = samples.map(({ output }) => output);
  const references = samples.map((sample) => sample.references);
  const ofCorpus = { bleu: bleu(outputs, references, { tokenizer: bleuTokenizer }), chrf: chrf(outputs, references) };
  const scored = samples.map((sample) => {
    const { output, references: own } = sample;
    return {
      ...sample,
      rouge: rouge(output, own),
      answer: answerScore(output, own),
      chrf: chrf([output], [own]).score,
    };
  });
  return {
    samples: scored.map(({ rouge: { rougeL }, answer, chrf: ofRow, ...sample }) => ({
      ...sample,
      scores: { chrf: ofRow, rougeL: rougeL.fmeasure, ...answer },
    })),
    metrics: {
      ...plain,
      bleu: ofCorpus.bleu.score,
      chrf: ofCorpus.chrf.score,
      rouge1: mean(scored, (one) => one.rouge.rouge1.fmeasure),
      rouge2: mean(scored, (one) => one.rouge.rouge2.fmeasure),
      rougeL: mean(scored, (one) => one.rouge.rougeL.fmeasure),
      exactMatch: mean(scored, ({ answer }) => answer.exactMatch),
      f1: mean(scored, ({ answer }) => answer.f1),
    },
    signatures: { bleu: `BLEU|${ofCorpus.bleu.signature}`, chrf: `chrF2|${ofCorpus.chrf.signature}` },
  };
}
