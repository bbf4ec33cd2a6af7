import {
  uploadBatch,
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
import {
  DivergedError,
  trainEpochs,
  type EpochResult,
  type EpochSettings,
  type Learner,
  type StepRequest,
  type Trained,
  type Trial,
  type TrialRun,
} from './epochs';
import { classificationLoss, classLogits, initialHead, representationOf } from './head';
import type { ClassificationResult, SuperGlueTask } from './tasks';

/** How a model is fine-tuned on a task. */
export interface FineTuneSettings extends EpochSettings {
  readonly maxTokens: number;
  readonly precision?: Precision;
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
    const { trial, random } = run;
    const learner: Learner = {
      stepsPerEpoch: Math.ceil(train.length / trial.batchSize),
      start: () => {
        const parameters = this.copy(start, task.labels.length, random.fork('head'));
        try {
          return { parameters, state: tf.tidy(() => this.optimizer.init(parameters)) };
        } catch (error) {
          tf.dispose(parameters);
          throw error;
        }
      },
      batches: (order) => batches(train, this.batching(trial), order),
      step: (trained, request) => this.step(trained, trial, request),
      measure: async (parameters) => ({ scores: task.score(await this.predict(parameters, val, run)) }),
    };
    yield* trainEpochs(learner, this.settings, run);
    return undefined;
  }

  private async step(
    { parameters, state }: Trained,
    { learningRate, dropout = 0, modelDropout }: Trial,
    { fields, done, total, random }: StepRequest,
  ): Promise<Trained & { loss: number }> {
    const inputs = {
      step: tf.scalar(done),
      learningRate: tf.scalar(learningRate * this.schedule.factor(done, total)),
      dropout: tf.scalar(dropout),
      randomKey: engineRandom.key(random.key()),
      batch: uploadBatch(fields) as ClassificationBatch,
    };
    let outputs: StepOutputs;
    try {
      outputs = await this.trainStep.async({ parameters, state, modelDropout, ...inputs });
    } finally {
      tf.dispose(inputs);
    }
    tf.dispose([parameters, state]);
    const { loss, ...after } = outputs;
    try {
      return { ...after, loss: (await loss.data())[0] };
    } catch (error) {
      tf.dispose([after.parameters, after.state]);
      throw error;
    } finally {
      loss.dispose();
    }
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
