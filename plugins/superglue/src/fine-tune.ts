import {
  GraftError,
  uploadBatch,
  type EvaluationContext,
  type Model,
  type Optimizer,
  type OptimizerState,
  type Parameters,
  type RandomStream,
  type Representation,
  type Schedule,
  tokensOfSide,
} from '@graft/core';
import { globalNorm } from '@graft/core/internal';
import { random as engineRandom, tf, valueAndGradients, type Engine, type Jitted, type Precision } from '@graft/engine';
import { batches, type ClassificationBatch } from './batches';
import type { EncodedExample } from './encode-examples';
import { classificationLoss, classLogits, initialHead, representationOf } from './head';
import type { ClassificationResult, SuperGlueTask } from './tasks';

/** One point of the grid. */
export interface Trial {
  readonly learningRate: number;
  readonly batchSize: number;
  /** Rate of dropout on the state that the head reads. */
  readonly dropout: number;
  /** Rate of dropout in every place that the model has. Default: the model's own rates. */
  readonly modelDropout?: number;
}

/** How a model is fine-tuned on a task. */
export interface FineTuneSettings {
  /** Epochs over the training examples. */
  readonly epochs: number;
  /** Ends earlier, after this many optimizer steps. */
  readonly maxSteps?: number;
  readonly maxTokens: number;
  readonly precision?: Precision;
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
  /** Mean over the examples of the epoch, in nats. */
  readonly trainLoss: number;
  /** The task's numbers on the validation set. */
  readonly scores: Readonly<Record<string, number>>;
}

/** The loss of a trial became NaN or infinite. Other trials may succeed. */
export class DivergedError extends GraftError {
  constructor(what: string) {
    super(`${what}.`, { code: 'superglue.diverged' });
  }
}

interface StepInputs {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  readonly step: tf.Scalar;
  readonly learningRate: tf.Scalar;
  readonly dropout: tf.Scalar;
  /** Static: a rate of 0 leaves out its operations. */
  readonly modelDropout?: number;
  readonly randomKey: tf.Tensor1D;
  readonly batch: ClassificationBatch;
}

interface StepOutputs {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  readonly loss: tf.Scalar;
}

/** Fine-tunes copies of one model's parameters, one task and trial at a time; all of them share the compiled steps. */
export class FineTuner {
  private readonly representation: Representation;
  private readonly trainStep: Jitted<[StepInputs], StepOutputs>;
  private readonly predictStep: Jitted<[Parameters, ClassificationBatch], tf.Tensor2D>;

  constructor(
    engine: Engine,
    private readonly model: Model,
    private readonly optimizer: Optimizer,
    private readonly schedule: Schedule,
    private readonly settings: FineTuneSettings,
  ) {
    const representation = representationOf(model);
    this.representation = representation;
    const { precision } = settings;
    this.trainStep = engine.jit(
      ({ parameters, state, step, learningRate, dropout, modelDropout, randomKey, batch }: StepInputs): StepOutputs => {
        const rates =
          modelDropout === undefined ? undefined : { dropout: modelDropout, attentionDropout: modelDropout };
        const { loss, gradients } = valueAndGradients((own) => {
          const logits = classLogits(representation, own, batch, { rate: dropout, key: randomKey, model: rates });
          return { loss: classificationLoss(logits, batch), auxiliary: {} };
        }, parameters);
        const gradientNorm = globalNorm(gradients);
        const update = { gradients, parameters, state, step, learningRate, gradientNorm };
        return { ...optimizer.update(update), loss };
      },
      { name: 'fineTuneStep', precision },
    );
    this.predictStep = engine.jit(
      (parameters: Parameters, batch: ClassificationBatch): tf.Tensor2D =>
        tf.softmax(classLogits(representation, parameters, batch)),
      { name: 'classify', precision },
    );
  }

  /**
   * Trains all parameters that the head's input depends on, and the head, from `start`, which is not changed. Yields
   * the numbers of every epoch. Throws DivergedError, and `signal`'s reason when that is aborted.
   */
  async *fineTune(
    start: Parameters,
    task: SuperGlueTask,
    { train, val }: { train: readonly EncodedExample[]; val: readonly EncodedExample[] },
    run: TrialRun,
  ): AsyncGenerator<EpochResult, undefined> {
    const { trial, random, signal, progress } = run;
    const { epochs, maxSteps = Infinity } = this.settings;
    const stepsPerEpoch = Math.ceil(train.length / trial.batchSize);
    const totalSteps = Math.min(epochs * stepsPerEpoch, maxSteps);
    let parameters: Parameters = this.copy(start, task.labels.length, random.fork('head'));
    let state: OptimizerState | undefined;
    try {
      state = tf.tidy(() => this.optimizer.init(parameters));
      let step = 0;
      for (let epoch = 0; step < totalSteps; epoch++) {
        let lossSum = 0;
        let seen = 0;
        for (const { examples, fields } of batches(train, this.batching(trial), random.fork('order').fork(epoch))) {
          if (step === totalSteps) break;
          signal?.throwIfAborted();
          progress?.({ done: step, total: totalSteps, unit: 'steps' });
          const key = engineRandom.key(random.fork('dropout').fork(step).key());
          const inputs = {
            step: tf.scalar(step),
            learningRate: tf.scalar(trial.learningRate * this.schedule.factor(step, totalSteps)),
            dropout: tf.scalar(trial.dropout),
            randomKey: key,
            batch: uploadBatch(fields) as ClassificationBatch,
          };
          let outputs: StepOutputs;
          try {
            const { modelDropout } = trial;
            outputs = await this.trainStep.async({ parameters, state, modelDropout, ...inputs });
          } finally {
            tf.dispose(inputs);
          }
          tf.dispose([parameters, state]);
          ({ parameters, state } = outputs);
          const [loss] = await outputs.loss.data();
          outputs.loss.dispose();
          if (!Number.isFinite(loss)) throw new DivergedError(`The loss is ${loss} at step ${step + 1}`);
          // A short last batch is weighted by its number of examples.
          lossSum += loss * examples.length;
          seen += examples.length;
          step++;
        }
        const results = await this.predict(parameters, val, run);
        yield { steps: step, trainLoss: lossSum / seen, scores: task.score(results) };
      }
    } finally {
      tf.dispose([parameters, state ?? {}]);
    }
    return undefined;
  }

  dispose(): void {
    this.trainStep.dispose();
    this.predictStep.dispose();
  }

  private async predict(
    parameters: Parameters,
    examples: readonly EncodedExample[],
    { trial, signal, progress }: TrialRun,
  ): Promise<ClassificationResult[]> {
    const results: ClassificationResult[] = [];
    for (const { examples: own, fields } of batches(examples, this.batching(trial))) {
      signal?.throwIfAborted();
      progress?.({ done: results.length, total: examples.length, unit: 'validation examples' });
      const batch = uploadBatch(fields) as ClassificationBatch;
      let probabilities: tf.Tensor2D | undefined;
      try {
        probabilities = await this.predictStep.async(parameters, batch);
        const values = await probabilities.data();
        // The weights may diverge after the last finite loss.
        if (!values.every(Number.isFinite)) throw new DivergedError('The predictions are not numbers');
        const classes = probabilities.shape[1];
        for (const [row, { example }] of own.entries()) {
          results.push({ example, probabilities: values.slice(row * classes, (row + 1) * classes) });
        }
      } finally {
        probabilities?.dispose();
        tf.dispose(batch);
      }
    }
    return results;
  }

  private batching({ batchSize }: Trial): { batchSize: number; maxTokens: number; padId: number } {
    return {
      batchSize,
      maxTokens: this.settings.maxTokens,
      padId: tokensOfSide(this.model, 'encoder').specialTokens.pad,
    };
  }

  private copy(start: Parameters, classes: number, random: RandomStream): Parameters {
    const { parameters: names } = this.representation;
    const head = initialHead(classes, this.representation, random);
    return { ...Object.fromEntries(names.map((name) => [name, tf.clone(start[name])])), ...head };
  }
}
