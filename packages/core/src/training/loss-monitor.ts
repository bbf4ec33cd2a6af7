import { writeHostTensors } from '@graft/checkpoint';
import { makeOneFolder } from '@graft/checkpoint/internal';
import { join } from 'node:path';
import type { LoadedBatch } from '../data/loader';
import { lastGood, TrainingError } from '../util/training-error';

export interface LossMonitorSettings {
  readonly nonFinite?: 'stop' | 'skip';
  /** A loss this many times that of guessing, or of the first one where that is higher, has exploded; 0: none has. */
  readonly explodingLossFactor?: number;
}

/** Steps in a row that may be skipped: more are not an accident. */
const MOST_SKIPPED = 10;

/** Looks at every step's loss and gradient norm. */
export class LossMonitor {
  private skippedInARow = 0;

  constructor(
    private readonly settings: LossMonitorSettings,
    /** The loss of guessing every token at the same probability. */
    private readonly guessingLoss: number,
    /** The run's folder, if this process writes to it: a batch that broke it is kept there. */
    private readonly folder: string | undefined,
    /** Of the run's first step, where that was before a resume: the limit must not depend on when a run was stopped. */
    private firstLoss?: number,
  ) {}

  /**
   * What is to be said about a skipped step, or a first one without a gradient; undefined where all is well. Throws TrainingError, naming the step, its batch
   * and the last good checkpoint, where training must stop.
   */
  async check(
    step: number,
    { loss, gradNorm }: { readonly loss: number; readonly gradNorm: number },
    batch: LoadedBatch,
    lastCheckpoint: string | undefined,
  ): Promise<string | undefined> {
    const problem = this.problem(loss, gradNorm);
    if (!problem) {
      const first = this.firstLoss === undefined;
      this.firstLoss ??= loss;
      this.skippedInARow = 0;
      // How a loss is made does not show that its gradient is multiplied by 0.
      return first && gradNorm === 0
        ? `At step ${step} the gradient of every parameter is 0: nothing is learnt, unless that is by chance.`
        : undefined;
    }
    const { skip, what } = problem;
    if (skip && ++this.skippedInARow <= MOST_SKIPPED) return `At step ${step} ${what}; the step is skipped.`;
    const kept = await this.keepBatch(step, batch);
    const again = skip ? ` (the ${MOST_SKIPPED} steps before it were skipped)` : '';
    throw new TrainingError(
      `At step ${step} (batch ${step}${kept}) ${what}${again}, and training stopped. ${lastGood(lastCheckpoint)}`,
      {
        code: problem.exploded ? 'training.exploded' : 'training.non-finite',
        hint: problem.exploded
          ? 'Lower optimizer.learningRate, warm up longer, or set train.explodingLossFactor higher (0: no limit).'
          : 'Lower optimizer.learningRate, set optimizer.clipNorm, look at that batch, or set train.nonFinite: skip.',
      },
    );
  }

  private problem(loss: number, gradNorm: number): { what: string; skip: boolean; exploded?: boolean } | undefined {
    const skip = this.settings.nonFinite === 'skip';
    if (!Number.isFinite(loss)) return { what: `the loss is ${loss}`, skip };
    if (!Number.isFinite(gradNorm)) return { what: `the gradient norm is ${gradNorm}`, skip };
    const { explodingLossFactor: factor = 0 } = this.settings;
    const usual = Math.max(this.guessingLoss, this.firstLoss ?? loss);
    if (factor === 0 || loss <= factor * usual) return undefined;
    const limit = Number((factor * usual).toPrecision(3));
    return {
      what: `the loss has exploded to ${Number(loss.toPrecision(4))} (more than ${limit})`,
      skip: false,
      exploded: true,
    };
  }

  /** Keeps the batch as a file for `dataset: { use: tensors }`, and says which it is. */
  private async keepBatch(step: number, { fields, start }: LoadedBatch): Promise<string> {
    if (this.folder === undefined) return '';
    const folder = join(this.folder, 'bad-batches');
    const file = join(folder, `step-${step}.safetensors`);
    try {
      // Not the run's folder: where that is gone, no batch is kept.
      await makeOneFolder(folder);
      await writeHostTensors(file, fields);
    } catch {
      return `, which begins at ${JSON.stringify(start)} in the data`;
    }
    return `, which begins at ${JSON.stringify(start)} in the data and is kept in ${file}`;
  }
}
