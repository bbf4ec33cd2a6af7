import { writeHostTensors } from '@graft/checkpoint';
import { makeOneFolder } from '@graft/checkpoint/internal';
import { join } from 'node:path';
import type { LoadedBatch } from '../data/loader';
import { lastGood, TrainingError } from '../util/training-error';

export interface LossMonitorSettings {
  readonly nonFinite?: 'stop' | 'skip';
  /** A loss has exploded if it exceeds that of guessing, or a higher first one, by this factor; 0: never. */
  readonly explodingLossFactor?: number;
}

/** Maximum number of skipped steps in a row: more are not an accident. */
const MOST_SKIPPED = 10;

/** Checks every step's loss and gradient norm. */
export class LossMonitor {
  private skippedInARow = 0;

  constructor(
    private readonly settings: LossMonitorSettings,
    /** The loss of guessing, with the same probability for every token. */
    private readonly guessingLoss: number,
    /** The run's folder, if this process writes to it: it receives a batch that broke the run. */
    private readonly folder: string | undefined,
    /**
     * The loss of the run's first step, if it was before a resume: the limit must not depend on when a run was stopped.
     */
    private firstLoss?: number,
  ) {}

  /**
   * A message about a skipped step, or a first one without a gradient; undefined if all is well. Throws TrainingError,
   * naming the step, its batch and the last good checkpoint, if training must stop.
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
      // Computing the loss does not show that its gradient is multiplied by 0.
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

  /** Saves the batch as a file for `dataset: { use: tensors }`, and returns a description with its path. */
  private async keepBatch(step: number, { fields, start }: LoadedBatch): Promise<string> {
    if (this.folder === undefined) return '';
    const folder = join(this.folder, 'bad-batches');
    const file = join(folder, `step-${step}.safetensors`);
    try {
      // Does not create the run's folder: if that is gone, the batch is not saved.
      await makeOneFolder(folder);
      await writeHostTensors(file, fields);
    } catch {
      return `, which begins at ${JSON.stringify(start)} in the data`;
    }
    return `, which begins at ${JSON.stringify(start)} in the data and is kept in ${file}`;
  }
}
