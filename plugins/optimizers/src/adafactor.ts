import {
  defineComponent,
  GraftError,
  parseOptions,
  type Optimizer,
  type OptimizerState,
  type OptimizerUpdate,
  type Parameters,
} from '@graft/core';
import { tf, type TensorSpec } from '@graft/engine';
import { z } from 'zod';
import { clipFactor, commonOptions, decayRate, decaysBy, type Decays } from './common';

/** The options of the optimizer `adafactor`. */
export const adafactorOptions = z.strictObject({
  ...commonOptions,
  decayExponent: z
    .number()
    .positive()
    .max(1)
    .default(0.8)
    .describe("The second moment's decay at step t is 1 - t^-decayExponent."),
  beta1: decayRate.optional().describe('Decay of a first moment. Default: no first moment.'),
  epsilon: z.number().positive().default(1e-30).describe('Added to squared gradients.'),
  clipThreshold: z
    .number()
    .positive()
    .default(1)
    .describe("A parameter's update is scaled down to this root mean square."),
  scaleParameter: z
    .boolean()
    .default(true)
    .describe(
      'Whether the learning rate is relative to the root mean square of the parameter, which counts as at least `leastScale`.',
    ),
  leastScale: z
    .number()
    .positive()
    .default(1e-3)
    .describe('Least root mean square that a parameter counts as, with `scaleParameter`.'),
});

/** What a config or code may write. */
export type AdafactorOptions = z.input<typeof adafactorOptions>;
/** The same with every default filled in. */
export type ResolvedAdafactorOptions = z.output<typeof adafactorOptions>;

const key = (kind: 'row' | 'column' | 'v' | 'm', name: string): string => `adafactor.${kind}/${name}`;

const rootMeanSquare = (x: tf.Tensor): tf.Tensor => tf.sqrt(tf.mean(tf.square(x)));

/**
 * Adafactor (Shazeer and Stern, 2018) with a given learning rate: for a matrix's second moment the means of its rows
 * and columns are stored, rows + columns numbers instead of rows * columns. The semantics are those of the
 * implementation in Hugging Face's transformers with relative_step off.
 *
 * State: `adafactor.row/<parameter>` [rows] and `adafactor.column/<parameter>` [columns] of matrices,
 * `adafactor.v/<parameter>` of everything else, `adafactor.m/<parameter>` with `beta1`. A parameter without a gradient
 * is unchanged, and so is its state.
 */
export class Adafactor implements Optimizer {
  readonly learningRate: number;
  private readonly options: ResolvedAdafactorOptions;
  private readonly decays: Decays;

  constructor(options: AdafactorOptions) {
    this.options = parseOptions(adafactorOptions, options, 'Adafactor');
    this.learningRate = this.options.learningRate;
    this.decays = decaysBy(this.options);
  }

  init(parameters: Parameters): OptimizerState {
    const state: OptimizerState = {};
    for (const [name, parameter] of Object.entries(parameters)) {
      const [rows, columns] = parameter.shape;
      if (parameter.rank === 2) {
        state[key('row', name)] = tf.zeros([rows]);
        state[key('column', name)] = tf.zeros([columns]);
      } else state[key('v', name)] = tf.zerosLike(parameter);
      if (this.options.beta1 !== undefined) state[key('m', name)] = tf.zerosLike(parameter);
    }
    return state;
  }

  stateOf(_name: string, shape: readonly number[]): TensorSpec[] {
    const shapes = [
      ...(shape.length === 2 ? [[shape[0]], [shape[1]]] : [shape]),
      ...(this.options.beta1 === undefined ? [] : [shape]),
    ];
    return shapes.map((one) => ({ shape: [...one], dtype: 'float32' }));
  }

  update(update: OptimizerUpdate): { parameters: Parameters; state: OptimizerState } {
    const { decayExponent, beta1, clipThreshold, scaleParameter, leastScale, clipNorm } = this.options;
    const weightDecay = this.options.weightDecay * (update.weightDecayFactor ?? 1);
    const clip = clipFactor(update.gradientNorm, clipNorm);
    // 1 - (1 - t^-d): the weight of the new square.
    const intoSecond = tf.pow(tf.add(update.step, 1), -decayExponent);
    const parameters: Record<string, tf.Tensor> = {};
    const state: OptimizerState = {};
    for (const [name, parameter] of Object.entries(update.parameters)) {
      const given = update.gradients[name] as tf.Tensor | undefined;
      if (!given) {
        parameters[name] = parameter;
        for (const kind of ['row', 'column', 'v', 'm'] as const) {
          const kept = update.state[key(kind, name)] as tf.Tensor | undefined;
          if (kept) state[key(kind, name)] = kept;
        }
        continue;
      }
      const gradient = tf.mul(given, clip);
      const scaled = this.normalized(name, gradient, intoSecond, update.state, state);
      const limited = tf.div(scaled, tf.maximum(1, tf.div(rootMeanSquare(scaled), clipThreshold)));
      const rate = scaleParameter
        ? tf.mul(update.learningRate, tf.maximum(leastScale, rootMeanSquare(parameter)))
        : update.learningRate;
      let change = tf.mul(limited, rate);
      if (beta1 !== undefined) {
        change = tf.add(tf.mul(this.kept(update.state, 'm', name), beta1), tf.mul(change, 1 - beta1));
        state[key('m', name)] = change;
      }
      const keep = tf.sub(1, tf.mul(rate, weightDecay));
      const decayed = weightDecay !== 0 && this.decays(name, parameter.shape) ? tf.mul(parameter, keep) : parameter;
      parameters[name] = tf.sub(decayed, change);
    }
    return { parameters, state };
  }

  /** The gradient divided by the root of its second moment, whose next state is stored in `next`. */
  private normalized(
    name: string,
    gradient: tf.Tensor,
    intoSecond: tf.Tensor,
    before: OptimizerState,
    next: OptimizerState,
  ): tf.Tensor {
    const square = tf.add(tf.square(gradient), this.options.epsilon);
    const mixed = (kind: 'row' | 'column' | 'v', now: tf.Tensor): tf.Tensor =>
      (next[key(kind, name)] = tf.add(
        tf.mul(this.kept(before, kind, name), tf.sub(1, intoSecond)),
        tf.mul(now, intoSecond),
      ));
    if (gradient.rank !== 2) return tf.mul(gradient, tf.rsqrt(mixed('v', square)));
    const row = mixed('row', tf.mean(square, 1)); // [rows]
    const column = mixed('column', tf.mean(square, 0)); // [columns]
    // Not the root of row / mean: for a row without any gradient so far, next to one large gradient, that quotient
    // underflows float32.
    const rowFactor = tf.expandDims(tf.mul(tf.rsqrt(row), tf.sqrt(tf.mean(row))), 1); // [rows, 1]
    return tf.mul(tf.mul(gradient, rowFactor), tf.expandDims(tf.rsqrt(column), 0));
  }

  private kept(state: OptimizerState, kind: 'row' | 'column' | 'v' | 'm', name: string): tf.Tensor {
    const tensor = state[key(kind, name)] as tf.Tensor | undefined;
    if (tensor) return tensor;
    throw new GraftError(`Adafactor has no "${key(kind, name)}".`, { code: 'adafactor.state' });
  }
}

export const adafactor = defineComponent({
  interface: 'optimizer',
  id: 'adafactor',
  description: 'second moments of matrices by rows and columns: next to no state',
  options: adafactorOptions,
  useFactory: ({ options }) => new Adafactor(options),
});
