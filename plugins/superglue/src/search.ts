import { bootstrapMean, createRandom, GraftError, type EvaluationContext, type Logger } from '@graft/core';
import { DivergedError, type EpochResult, type Trial } from './epochs';
import { choose, type Chosen } from './grid';
import type { OpenTask } from './protocol';
import type { TrialRecord, TrialStore } from './trial-store';

interface SearchParts {
  readonly trials: readonly Trial[];
  readonly select: 'best' | 'last';
  readonly seeds: number;
  /** The score that the log shows. */
  readonly headline: string;
  /** What determines a trial's numbers besides the trial, the task and the parameters. */
  readonly conditions: object;
  readonly store: TrialStore;
  readonly logger: Logger;
}

/** The result of a task's search. */
export interface Found {
  readonly chosen: Chosen;
  /** The epoch that counts of each seed, the grid's first; undefined: it diverged. */
  readonly epochs: readonly (EpochResult | undefined)[];
}

/** Searches the grid of one task after the other, then repeats the chosen point with further seeds. */
export class Search {
  constructor(
    private readonly parts: SearchParts,
    private readonly context: EvaluationContext,
  ) {}

  /** `place`, for the progress: `boolq (1 of 9)`. Throws GraftError if every point of the grid diverges. */
  async run(task: OpenTask, place: string): Promise<Found> {
    const chosen = await this.searchGrid(task, place);
    const others = await this.repeat(task, place, chosen.record.trial);
    return { chosen, epochs: [chosen.epoch, ...others] };
  }

  private async searchGrid(task: OpenTask, place: string): Promise<Chosen> {
    const { trials, select } = this.parts;
    const records: TrialRecord[] = [];
    for (const [index, trial] of trials.entries())
      records.push(await this.done(task, trial, this.context, `${place}, trial ${index + 1} of ${trials.length}`));
    const chosen = choose(records, select, task.selectBy);
    if (chosen) return chosen;
    throw new GraftError(`Fine-tuning on ${task.id} diverged at every point of the grid: ${records[0].diverged}`, {
      code: 'superglue.diverged',
      hint: 'Lower learningRates, or clip gradients (optimizer.clipNorm).',
    });
  }

  /** The epochs that count when the chosen trial is repeated with other random numbers; undefined: it diverged. */
  private async repeat(task: OpenTask, place: string, trial: Trial): Promise<(EpochResult | undefined)[]> {
    const { seeds, select, logger } = this.parts;
    const epochs: (EpochResult | undefined)[] = [];
    for (let seed = 1; seed < seeds; seed++) {
      const random = this.context.random.fork('seed').fork(seed);
      const part = `${place}, seed ${seed + 1} of ${seeds}`;
      const record = await this.done(task, trial, { ...this.context, random }, part);
      const epoch = choose([record], select, task.selectBy)?.epoch;
      if (!epoch) logger.warn(`${part} diverged, and does not count. ${record.diverged}`);
      epochs.push(epoch);
    }
    return epochs;
  }

  /** A fine-tuning that the run has done before, or does now. */
  private async done(task: OpenTask, trial: Trial, context: EvaluationContext, part: string): Promise<TrialRecord> {
    const { store, logger, headline } = this.parts;
    const { step, random } = context;
    const conditions = {
      task: task.id,
      trial,
      step,
      random: random.name,
      ...this.parts.conditions,
      ...task.conditions,
    };
    let record = await store.find(task.id, conditions);
    if (!record) {
      const progress: EvaluationContext['progress'] = (report) => context.progress?.({ ...report, part });
      record = await tryOne(task, trial, { ...context, progress });
      await store.keep(record, conditions);
    }
    logger.info(describe(record, task, headline));
    return record;
  }
}

async function tryOne(
  task: OpenTask,
  trial: Trial,
  { parameters, random, signal, progress }: EvaluationContext,
): Promise<TrialRecord> {
  const began = performance.now();
  const epochs: EpochResult[] = [];
  let diverged: string | undefined;
  try {
    // One stream per task: points of the grid differ only by their settings.
    const run = { trial, random: random.fork(task.id), signal, progress };
    for await (const epoch of task.fineTune(parameters, run)) {
      // Only those of the best epoch are needed, and they may be many.
      if (epoch.answers) for (const [i, { answers: _, ...earlier }] of epochs.entries()) epochs[i] = earlier;
      epochs.push(epoch);
    }
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    diverged = error.message;
  }
  return { task: task.id, trial, epochs, diverged, seconds: (performance.now() - began) / 1000 };
}

/** The numbers of a task, by name; those of several seeds are means. */
export function taskNumbers(
  task: OpenTask,
  headline: string,
  { chosen, epochs }: Found,
  further: Readonly<Record<string, number>>,
): Record<string, number> {
  const finished = epochs.filter((epoch) => epoch !== undefined);
  const { [headline]: _, ...others } = finished[0].scores;
  const means = Object.keys(others).map((name): [string, number] => [
    name,
    finished.reduce((sum, { scores }) => sum + scores[name], 0) / finished.length,
  ]);
  const numbers = {
    ...intervalNumbers(
      headline,
      finished.map(({ scores }) => scores[headline]),
    ),
    ...(task.majority !== undefined && { majority: task.majority }),
    ...Object.fromEntries(means),
    examples: task.val,
    ...chosen.record.trial,
    epoch: chosen.epochNumber,
    ...(epochs.length > 1 && { seeds: finished.length }),
  };
  return {
    ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [`${task.id}/${name}`, value])),
    ...further,
  };
}

/** The mean of some seeds' values; of several, with its interval. */
export function intervalNumbers(name: string, values: readonly number[]): Record<string, number> {
  const { mean, low, high } = bootstrapMean(values, { random: createRandom(0).fork(name) });
  return {
    [name]: mean,
    ...(low !== undefined && high !== undefined && { [`${name}Low`]: low, [`${name}High`]: high }),
  };
}

/** For each seed the mean over the tasks, without the seeds that diverged in one; the first never did. */
export const meansBySeed = (tasks: readonly (readonly (number | undefined)[])[]): number[] =>
  tasks[0].flatMap((_, seed) => {
    const own = tasks.flatMap((values) => values[seed] ?? []);
    return own.length === tasks.length ? [own.reduce((sum, value) => sum + value, 0) / own.length] : [];
  });

function describe(
  { task, trial, epochs, diverged, seconds }: TrialRecord,
  { size }: OpenTask,
  headline: string,
): string {
  const { learningRate, batchSize, dropout, modelDropout } = trial;
  const onHead = dropout === undefined ? '' : `, dropout ${dropout}`;
  const inModel =
    modelDropout === undefined ? '' : `, ${dropout === undefined ? 'dropout ' : ''}in the model ${modelDropout}`;
  const what = `${task} (${size}): learning rate ${learningRate}, batch ${batchSize}${onHead}${inModel}`;
  if (diverged !== undefined) return `${what}: diverged. ${diverged}`;
  const scores = epochs.map((epoch) => epoch.scores[headline].toFixed(3)).join(' ');
  return `${what}: ${headline} by epoch ${scores} (${seconds.toFixed(1)} s)`;
}
