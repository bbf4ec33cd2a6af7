import {
  GraftError,
  type EvaluationContext,
  type HostFields,
  type OptimizerState,
  type Parameters,
  type RandomStream,
} from '@graft/core';
import { tf } from '@graft/engine';

/** One point of the grid. */
export interface Trial {
  readonly learningRate: number;
  readonly batchSize: number;
  /** Rate of dropout on the state that the head reads. Undefined: there is no head. */
  readonly dropout?: number;
  /** Rate of dropout in every place that the model has. Default: the model's own rates. */
  readonly modelDropout?: number;
}

/** How a model is fine-tuned on a task. */
export interface EpochSettings {
  /** Epochs over the training examples. */
  readonly epochs: number;
  /** Ends earlier, after this many optimizer steps. */
  readonly maxSteps?: number;
}

/** Of one trial: everything but its data. */
export interface TrialRun {
  readonly trial: Trial;
  readonly random: RandomStream;
  readonly signal?: AbortSignal;
  /** Called before each optimizer step and each batch of predictions. */
  readonly progress?: EvaluationContext['progress'];
}

/** The result of an epoch over the training examples. */
export interface EpochResult {
  /** Optimizer steps done. */
  readonly steps: number;
  /** Mean over the batches of the epoch, by their numbers of examples, in nats. */
  readonly trainLoss: number;
  /** The task's numbers on the validation set. */
  readonly scores: Readonly<Record<string, number>>;
  /** What the model writes to further sets, by their names, in the order of their examples. Default: nothing was asked. */
  readonly answers?: Readonly<Record<string, readonly string[]>>;
}

/** The loss of a trial became NaN or infinite. Other trials may succeed. */
export class DivergedError extends GraftError {
  constructor(what: string) {
    super(`${what}.`, { code: 'superglue.diverged' });
  }
}

/** The tensors that a trial trains. */
export interface Trained {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
}

/** What `Learner.step` needs besides the tensors. */
export interface StepRequest {
  readonly fields: HostFields;
  /** Optimizer steps done before this one, and of the whole trial. */
  readonly done: number;
  readonly total: number;
  /** For this step alone. */
  readonly random: RandomStream;
}

/** What is trained, on which examples, and how it is measured. */
export interface Learner {
  readonly stepsPerEpoch: number;
  /** What the trial begins with. The loop owns it. */
  start(): Trained;
  /** The batches of an epoch in the order that the stream draws, with the number of examples of each. */
  batches(
    order: RandomStream,
  ): Iterable<{ readonly examples: { readonly length: number }; readonly fields: HostFields }>;
  /** Takes ownership of the tensors, and returns the new ones with the mean loss of the examples. */
  step(trained: Trained, request: StepRequest): Promise<Trained & { readonly loss: number }>;
  /** `isLast`: of the trial's last epoch. */
  measure(parameters: Parameters, isLast: boolean): Promise<Pick<EpochResult, 'scores' | 'answers'>>;
}

/**
 * Trains until the last epoch, or the last step. Yields the numbers of every epoch. Throws DivergedError, and `signal`'s
 * reason when that is aborted.
 */
export async function* trainEpochs(
  learner: Learner,
  { epochs, maxSteps = Infinity }: EpochSettings,
  { random, signal, progress }: Omit<TrialRun, 'trial'>,
): AsyncGenerator<EpochResult, undefined> {
  const total = Math.min(epochs * learner.stepsPerEpoch, maxSteps);
  let trained = learner.start();
  try {
    let done = 0;
    for (let epoch = 0; done < total; epoch++) {
      let lossSum = 0;
      let seen = 0;
      for (const { examples, fields } of learner.batches(random.fork('order').fork(epoch))) {
        if (done === total) break;
        signal?.throwIfAborted();
        progress?.({ done, total, unit: 'steps' });
        const request = { fields, done, total, random: random.fork('dropout').fork(done) };
        const { loss, ...after } = await learner.step(trained, request);
        trained = after;
        if (!Number.isFinite(loss)) throw new DivergedError(`The loss is ${loss} at step ${done + 1}`);
        // A short last batch is weighted by its number of examples.
        lossSum += loss * examples.length;
        seen += examples.length;
        done++;
      }
      yield { steps: done, trainLoss: lossSum / seen, ...(await learner.measure(trained.parameters, done === total)) };
    }
  } finally {
    tf.dispose([trained.parameters, trained.state]);
  }
  return undefined;
}
