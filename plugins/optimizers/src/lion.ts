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

/** The options of the optimizer `lion`. */
export const lionOptions = z.strictObject({
  ...commonOptions,
  betas: z
    .tuple([decayRate, decayRate])
    .default([0.9, 0.99])
    .describe('The fraction of the momentum in the sign, and in the next momentum.'),
});

/** What a config or code may write. */
export type LionOptions = z.input<typeof lionOptions>;
/** The same with every default filled in. */
export type ResolvedLionOptions = z.output<typeof lionOptions>;

const momentum = (name: string): string => `lion.m/${name}`;

/**
 * Lion (Chen et al., 2023): half of Adam's state, and steps of equal size for every number. Its learning rate is about
 * three to ten times smaller than AdamW's, its weight decay larger by the same factor.
 *
 *     p = p (1 - rate * weightDecay) - rate * sign(beta1 m + (1 - beta1) g)        m = beta2 m + (1 - beta2) g
 *
 * Its state is `lion.m/<parameter>`. A parameter without a gradient is unchanged, and so is its momentum.
 */
export class Lion implements Optimizer {
  readonly learningRate: number;
  private readonly options: ResolvedLionOptions;
  private readonly decays: Decays;

  constructor(options: LionOptions) {
    this.options = parseOptions(lionOptions, options, 'Lion');
    this.learningRate = this.options.learningRate;
    this.decays = decaysBy(this.options);
  }

  init(parameters: Parameters): OptimizerState {
    return Object.fromEntries(
      Object.entries(parameters).map(([name, parameter]) => [momentum(name), tf.zerosLike(parameter)]),
    );
  }

  stateOf(_name: string, shape: readonly number[]): TensorSpec[] {
    return [{ shape: [...shape], dtype: 'float32' }];
  }

  update(update: OptimizerUpdate): { parameters: Parameters; state: OptimizerState } {
    const { betas, clipNorm } = this.options;
    const weightDecay = this.options.weightDecay * (update.weightDecayFactor ?? 1);
    const [beta1, beta2] = betas;
    const rate = update.learningRate;
    const clip = clipFactor(update.gradientNorm, clipNorm);
    const keep = tf.sub(1, tf.mul(rate, weightDecay));
    const parameters: Record<string, tf.Tensor> = {};
    const state: OptimizerState = {};
    for (const [name, parameter] of Object.entries(update.parameters)) {
      const m = update.state[momentum(name)] as tf.Tensor | undefined;
      if (!m) throw new GraftError(`Lion has no momentum for the parameter "${name}".`, { code: 'lion.state' });
      const given = update.gradients[name] as tf.Tensor | undefined;
      if (!given) {
        parameters[name] = parameter;
        state[momentum(name)] = m;
        continue;
      }
      const gradient = tf.mul(given, clip);
      const direction = tf.sign(tf.add(tf.mul(m, beta1), tf.mul(gradient, 1 - beta1)));
      const decayed = weightDecay !== 0 && this.decays(name, parameter.shape) ? tf.mul(parameter, keep) : parameter;
      parameters[name] = tf.sub(decayed, tf.mul(direction, rate));
      state[momentum(name)] = tf.add(tf.mul(m, beta2), tf.mul(gradient, 1 - beta2));
    }
    return { parameters, state };
  }
}

export const lion = defineComponent({
  interface: 'optimizer',
  id: 'lion',
  description: 'signs of the momentum: steps of one size, half of Adam’s state',
  options: lionOptions,
  useFactory: ({ options }) => new Lion(options),
});
