import {
  checkContract,
  sidesOf,
  uploadBatch,
  type FieldSpec,
  type HostFields,
  type Model,
  type Objective,
  type Optimizer,
  type Parameters,
  type RandomStream,
  type Schedule,
  type Tokenizer,
} from '@graft/core';
import { makeTrainStep, type StepOutputs, type TrainStep } from '@graft/core/internal';
import { tf, type Engine } from '@graft/engine';
import type { EpochResult, Learner, StepRequest, Trained, Trial } from '../epochs';
import { withDropout } from './with-dropout';

/** A text and its answer in tokens. */
export interface TrainingText {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

interface TunerParts {
  readonly engine: Engine;
  readonly model: Model;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly tokenizer: Tokenizer;
}

/** What the examples of a batch have; `weights` are 0 in those that fill the last batch of an epoch. */
const GIVEN: readonly FieldSpec[] = [
  { name: 'source', dtype: 'int32', rank: 1 },
  { name: 'target', dtype: 'int32', rank: 1 },
  { name: 'weights', dtype: 'float32', rank: 1, mustBeUsed: true },
];

/** Trains copies of one model's parameters to answer texts; all trials share the compiled steps. */
export class TextTuner {
  /** By the rate of dropout in the model; undefined: its own rates. */
  private readonly steps = new Map<number | undefined, TrainStep>();

  /** Throws DataError for an objective that does not read source, target and weights. */
  constructor(private readonly parts: TunerParts) {
    const wanted = parts.objective.inputFields('examples');
    checkContract(GIVEN, wanted ?? [{ name: 'batch', dtype: 'int32', rank: 2 }], 'SuperGLUE', 'the objective');
  }

  /** How a trial learns from the texts. `measure`: see `Learner`. */
  learner(
    start: Parameters,
    texts: readonly TrainingText[],
    trial: Trial,
    measure: (parameters: Parameters, isLast: boolean) => Promise<Pick<EpochResult, 'scores' | 'answers'>>,
  ): Learner {
    const { batchSize } = trial;
    return {
      stepsPerEpoch: Math.ceil(texts.length / batchSize),
      start: () => this.copy(start),
      batches: (order) => this.batches(texts, batchSize, order),
      step: (trained, request) => this.step(trained, trial, request),
      measure,
    };
  }

  dispose(): void {
    for (const step of this.steps.values()) step.dispose();
    this.steps.clear();
  }

  private copy(start: Parameters): Trained {
    const { model, optimizer } = this.parts;
    const parameters = Object.fromEntries(model.parameters.map(({ name }) => [name, tf.clone(start[name])]));
    try {
      return { parameters, state: tf.tidy(() => optimizer.init(parameters)) };
    } catch (error) {
      tf.dispose(parameters);
      throw error;
    }
  }

  private *batches(
    texts: readonly TrainingText[],
    batchSize: number,
    order: RandomStream,
  ): Generator<{ examples: readonly TrainingText[]; fields: HostFields }, undefined> {
    const places = order.permutation(texts.length);
    for (let at = 0; at < places.length; at += batchSize) {
      const examples = Array.from(places.subarray(at, at + batchSize), (place) => texts[place]);
      yield { examples, fields: this.prepare(examples, batchSize, order.fork(at)) };
    }
  }

  /** A batch of fewer rows would be compiled by itself: its first example fills it, without weight. */
  private prepare(texts: readonly TrainingText[], rows: number, random: RandomStream): HostFields {
    const { model, objective, tokenizer } = this.parts;
    const sides = sidesOf(tokenizer);
    const examples = Array.from({ length: rows }, (_, i): HostFields => {
      const { source, target } = texts[i] ?? texts[0];
      const weights = new Float32Array(target.length).fill(i < texts.length ? 1 : 0);
      return {
        source: { dtype: 'int32', shape: [source.length], values: source },
        target: { dtype: 'int32', shape: [target.length], values: target },
        weights: { dtype: 'float32', shape: [target.length], values: weights },
      };
    });
    const context = {
      model,
      random,
      tokenizer: sides.decoder,
      ...(sides.encoder !== sides.decoder && { tokenizers: sides }),
    };
    return objective.prepare({ kind: 'examples', examples }, context);
  }

  private async step(
    { parameters, state }: Trained,
    { learningRate, modelDropout }: Trial,
    { fields, done, total, random }: StepRequest,
  ): Promise<Trained & { loss: number }> {
    const { schedule, objective } = this.parts;
    const inputs = {
      step: tf.scalar(done),
      learningRate: tf.scalar(learningRate * schedule.factor(done, total)),
      // The index of the batch's first row: there is one batch a step.
      randomKey: tf.tensor1d([...random.key(), 0], 'int32'),
      batch: uploadBatch(fields),
    };
    let outputs: StepOutputs;
    try {
      const variant = objective.variantAt?.(done, random.fork('variant'));
      outputs = await this.stepOf(modelDropout).async({ parameters, state, variant, ...inputs });
    } finally {
      tf.dispose(inputs as tf.TensorContainer);
    }
    const { numbers, names, parameters: after, state: stateAfter } = outputs;
    try {
      const loss = (await numbers.data())[names.indexOf('loss')];
      return { parameters: after, state: stateAfter, loss };
    } catch (error) {
      tf.dispose([after, stateAfter]);
      throw error;
    } finally {
      numbers.dispose();
    }
  }

  private stepOf(modelDropout: number | undefined): TrainStep {
    const { engine, model, objective, optimizer } = this.parts;
    const known = this.steps.get(modelDropout);
    if (known) return known;
    const own = modelDropout === undefined ? model : withDropout(model, modelDropout);
    const made = makeTrainStep(engine, own, objective, optimizer, { donate: true });
    this.steps.set(modelDropout, made);
    return made;
  }
}
