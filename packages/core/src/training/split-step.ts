import { tf, type Engine, type JitOptions, type Precision } from '@graft/engine';
import type { BatchTensors, Model, Objective, Optimizer, Parameters } from '../interfaces';
import type { StepPlacement } from '../distributed/placement';
import type { Sums } from '../distributed/sums';
import {
  lossAndGradients,
  modelWithin,
  vector,
  type StepForm,
  type StepInputs,
  type StepOutputs,
  type TrainStepOptions,
} from './step';
import { globalNorm, updated, type UpdateSettings } from './update';

export interface SplitStepOptions extends Omit<UpdateSettings, 'optimizer'> {
  readonly precision?: Precision;
  readonly onTrace?: JitOptions['onTrace'];
  /** As of a whole step. */
  readonly onGradients?: TrainStepOptions['onGradients'];
  /** How the step is shared; state and average are those of the parameters that this process updates. */
  readonly placement: StepPlacement;
}

export interface SplitStepInputs extends Omit<StepInputs, 'batch' | 'randomKey' | 'phase' | 'average'> {
  readonly average: Parameters;
  /** The step's micro-batches, and a random key for each. */
  readonly microBatches: readonly { readonly batch: BatchTensors; readonly randomKey: tf.Tensor }[];
  readonly phase: number;
}

/**
 * A step whose gradients are summed over micro-batches, and over workers, before the update. Its result equals one step
 * over all of them: each mean is weighted by its number of terms.
 */
export class SplitStep {
  private readonly gradient;
  private readonly finish;

  constructor(
    engine: Engine,
    model: Model,
    objective: Objective,
    optimizer: Optimizer,
    private readonly options: SplitStepOptions,
  ) {
    const { precision, groups, onTrace, onGradients, placement } = options;
    const settings = { ...options, optimizer };
    this.gradient = engine.jit(
      (
        inputs: StepForm & {
          parameters: Parameters;
          /** Only while the form of the model changes with it. */
          step?: tf.Scalar;
          batch: BatchTensors;
          randomKey: tf.Tensor;
          phase: number;
          variant?: string;
          sums: Sums | null;
        },
      ): Sums => {
        const { loss, gradients, weight, metrics, sums } = placement.pass(() =>
          lossAndGradients(modelWithin(model, inputs), objective, groups, { ...inputs, onGradients }),
        );
        const before = inputs.sums;
        const numbers = vector([
          weight,
          ...[loss, ...Object.values(metrics)].map((value) => tf.mul(value.toFloat(), weight)),
          ...Object.values(sums),
        ]);
        const weighted = Object.fromEntries(
          Object.entries(gradients).map(([name, value]) => {
            const own = tf.mul(value, weight);
            return [name, before ? tf.add(own, before.gradients[name]) : own];
          }),
        );
        return {
          gradients: placement.gradients(weighted),
          numbers: before ? tf.add(numbers, before.numbers) : numbers,
          names: [...Object.keys(metrics), ...Object.keys(sums)],
          counts: Object.keys(metrics).length,
        };
      },
      { name: 'gradients', precision, onTrace, donates: ['sums'] },
    );
    this.finish = engine.jit(
      (
        inputs: Omit<SplitStepInputs, 'microBatches' | 'variant' | keyof StepForm> & { sums: Omit<Sums, 'names'> },
      ): Omit<StepOutputs, 'names'> => {
        const { numbers, counts } = inputs.sums;
        const [weight, loss, ...others] = tf.unstack(numbers) as tf.Scalar[];
        const perWeight = tf.div(1, tf.maximum(weight, 1e-30));
        const gradients = Object.fromEntries(
          Object.entries(inputs.sums.gradients).map(([name, value]) => [name, tf.mul(value, perWeight)]),
        );
        const gradientNorm = globalNorm(gradients);
        const mean: tf.Scalar = tf.mul(loss, perWeight);
        return {
          ...updated({ ...inputs, gradients, loss: mean, gradientNorm }, settings),
          numbers: vector([
            mean,
            gradientNorm,
            ...others.map((value, i) => (i < counts ? tf.mul(value, perWeight) : value)),
          ]),
        };
      },
      { name: 'update', precision, onTrace, donates: ['parameters', 'state', 'average', 'sums'] },
    );
  }

  /** Takes ownership of parameters, state and average. The caller disposes the outputs, and the micro-batches. */
  async async({ microBatches, variant, changesSince, hasChanged, ...inputs }: SplitStepInputs): Promise<StepOutputs> {
    let sums: Sums | null = null;
    try {
      for (const { batch, randomKey } of microBatches)
        sums = await this.gradient.async({
          parameters: inputs.parameters,
          ...(changesSince === undefined ? { hasChanged } : { step: inputs.step, changesSince }),
          phase: inputs.phase,
          variant,
          batch,
          randomKey,
          sums,
        });
      const { placement } = this.options;
      if (placement.reduce) sums = await placement.reduce(sums!);
      const { names, ...summed } = sums!;
      sums = null;
      const parameters = placement.own(inputs.parameters);
      const changed = Object.keys(summed.gradients);
      const outputs = await this.finish.async({ ...inputs, parameters, sums: summed });
      return {
        ...outputs,
        names: ['loss', 'gradNorm', ...names],
        parameters: await placement.updated(inputs.parameters, outputs.parameters, changed),
      };
    } catch (error) {
      tf.dispose(sums as unknown as tf.TensorContainer);
      throw error;
    }
  }

  /** Milliseconds of tracing, compiling and first execution so far. */
  get compileMs(): number {
    return [this.gradient, this.finish].reduce(
      (sum, { statistics }) => sum + statistics.traceMs + statistics.firstRunMs,
      0,
    );
  }

  dispose(): void {
    this.gradient.dispose();
    this.finish.dispose();
  }
}
