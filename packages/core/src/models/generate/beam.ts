/** A sequence that beam search follows or has finished. */
interface Hypothesis {
  /** Without the prompt. */
  readonly tokens: readonly number[];
  /** Sum of log-probabilities. */
  readonly sum: number;
}

/** The best continuations of a row's beams, best first. */
export interface Candidate {
  /** Index of the beam among the row's. */
  readonly beam: number;
  readonly token: number;
  /** Sum of log-probabilities, including that token. */
  readonly sum: number;
}

/** The settings of one row's beams. */
export interface BeamOptions {
  readonly beams: number;
  /** Sums are divided by the length to this power: 1 gives their mean, 0 favours short sequences. */
  readonly lengthPenalty: number;
  readonly eos: ReadonlySet<number>;
}

/**
 * Number of candidates that a step needs so that this many beams can continue whichever candidates end: for each beam,
 * all end tokens and one more. At least two per beam, like the published implementation; fewer only if there are not
 * more.
 */
export const candidateCount = (beams: number, eos: ReadonlySet<number>, continuations: number): number =>
  Math.min(Math.max(2, 1 + eos.size) * beams, continuations);

/**
 * Beam search over one row, like the published implementation: candidates that end are kept as finished if they are
 * among the best `beams`, and the best `beams` of the others continue. The search is over when no continuing beam
 * scores more than the worst finished one, or when none continues.
 */
export class BeamRow {
  private running: readonly Hypothesis[] = [{ tokens: [], sum: 0 }];
  private finished: (Hypothesis & { readonly score: number })[] = [];
  private isDone = false;

  constructor(private readonly options: BeamOptions) {}

  /** Whether the search is over. */
  get done(): boolean {
    return this.isDone;
  }

  /**
   * Takes the `candidateCount` best candidates for the next token, best first. Returns for each beam the candidate that
   * it continues with; fewer than `beams` if too few candidates do not end.
   */
  advance(candidates: readonly Candidate[]): readonly Candidate[] {
    const { beams, eos } = this.options;
    const next: Candidate[] = [];
    for (const [rank, candidate] of candidates.entries()) {
      if (!eos.has(candidate.token)) next.push(candidate);
      // A candidate that ends counts only if it is among the best `beams`.
      else if (rank < beams) this.finish(this.extend(candidate));
      if (next.length === beams) break;
    }
    this.running = next.map((candidate) => this.extend(candidate));
    const [best] = this.running;
    this.isDone =
      !best ||
      (this.finished.length === beams && this.finished[beams - 1].score >= this.scoreOf(best.sum, best.tokens.length));
    return next;
  }

  /** The best sequence and its score. Call it after the last token. */
  best(): { readonly tokens: readonly number[]; readonly score: number } {
    if (!this.isDone) for (const hypothesis of this.running) this.finish(hypothesis);
    return this.finished[0];
  }

  private extend({ beam, token, sum }: Candidate): Hypothesis {
    return { tokens: [...this.running[beam].tokens, token], sum };
  }

  private finish(hypothesis: Hypothesis): void {
    const score = this.scoreOf(hypothesis.sum, hypothesis.tokens.length);
    this.finished = [...this.finished, { ...hypothesis, score }]
      .sort((a, b) => b.score - a.score)
      .slice(0, this.options.beams);
  }

  private scoreOf(sum: number, length: number): number {
    return sum / length ** this.options.lengthPenalty;
  }
}
