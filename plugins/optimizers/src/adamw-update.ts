import { GraftError, type OptimizerState, type OptimizerUpdate, type Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { clipFactor } from './common';
import { Moment, type MomentsDtype } from './moments';

/** The options of AdamW with their defaults filled in. */
export interface AdamWSettings {
  /** Decay rates of the two moments, each in [0, 1). */
  readonly betas: readonly [number, number];
  /** Added to the root of the corrected second moment. */
  readonly epsilon: number;
  /** Decoupled weight decay, per step and per unit of learning rate. */
  readonly weightDecay: number;
  /** Gradients are scaled down to this global norm; undefined leaves them unchanged. */
  readonly clipNorm?: number;
  /** Which parameters decay. */
  readonly decays: (name: string, shape: readonly number[]) => boolean;
  /** How both moments are stored. Default float32. */
  readonly moments?: MomentsDtype;
}

/** The two moments as they are stored. */
export const momentsOf = ({ moments = 'float32' }: Pick<AdamWSettings, 'moments'>): readonly [Moment, Moment] => [
  new Moment('adamw', 'm', moments),
  new Moment('adamw', 'v', moments),
];

/** Both moments of every parameter, initially zero. */
export function initAdamW(parameters: Parameters, settings: Pick<AdamWSettings, 'moments'> = {}): OptimizerState {
  const state: OptimizerState = {};
  for (const [name, parameter] of Object.entries(parameters))
    for (const moment of momentsOf(settings)) Object.assign(state, moment.init(name, parameter));
  return state;
}

/** 1 - beta^t for a float32 scalar t. The plain difference loses five digits at beta 0.999, t 1. */
function biasCorrection(beta: number, t: tf.Tensor): tf.Tensor {
  return beta === 0 ? tf.onesLike(t) : tf.neg(tf.expm1(tf.mul(t, Math.log(beta))));
}

/**
 * One step of AdamW (Loshchilov and Hutter, 2019) with the semantics of torch.optim.AdamW after clip_grad_norm_:
 *
 *     g  = gradient * min(1, clipNorm / (norm + 1e-6))
 *     m  = beta1 m + (1 - beta1) g            v = beta2 v + (1 - beta2) g^2
 *     p  = p (1 - rate * weightDecay) - rate * m / (1 - beta1^t) / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 *
 * A parameter without a gradient is unchanged, and so are its moments. Moments that are stored narrowly are widened
 * before the update, and rounded after it: p is updated by the exact m and v. Traceable.
 */
export function updateAdamW(
  update: OptimizerUpdate,
  settings: AdamWSettings,
): { parameters: Parameters; state: OptimizerState } {
  const [beta1, beta2] = settings.betas;
  const t = tf.add(update.step, 1);
  const rootCorrection2 = tf.sqrt(biasCorrection(beta2, t));
  // Every factor that is equal for all elements becomes a scalar: the rest is passes over the parameters, which
  // determine the time of an update. m / (sqrt(v) / r + epsilon) is r m / (sqrt(v) + r epsilon).
  const rate = tf.div(tf.mul(update.learningRate, rootCorrection2), biasCorrection(beta1, t));
  const epsilon = tf.mul(rootCorrection2, settings.epsilon);
  const clip = clipFactor(update.gradientNorm, settings.clipNorm);
  const intoFirst = tf.mul(clip, 1 - beta1);
  const intoSecond = tf.mul(tf.square(clip), 1 - beta2);
  const weightDecay = settings.weightDecay * (update.weightDecayFactor ?? 1);
  const keep = tf.sub(1, tf.mul(update.learningRate, weightDecay));

  const [first, second] = momentsOf(settings);

  const parameters: Record<string, tf.Tensor> = {};
  const state: OptimizerState = {};
  for (const [name, parameter] of Object.entries(update.parameters)) {
    const gradient = update.gradients[name];
    if (!gradient) {
      parameters[name] = parameter;
      for (const moment of [first, second]) moment.keep(state, name, update.state);
      continue;
    }
    const [m, v] = [first, second].map((moment) => moment.read(update.state, name, parameter.shape));
    if (!m || !v) throw new GraftError(`AdamW has no moments for the parameter "${name}".`, { code: 'adamw.state' });
    const nextM = tf.add(tf.mul(m, beta1), tf.mul(gradient, intoFirst));
    const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(gradient), intoSecond));
    const decayed = weightDecay !== 0 && settings.decays(name, parameter.shape) ? tf.mul(parameter, keep) : parameter;
    parameters[name] = tf.sub(decayed, tf.div(tf.mul(nextM, rate), tf.add(tf.sqrt(nextV), epsilon)));
    first.write(state, name, nextM, update);
    second.write(state, name, nextV, update);
  }
  return { parameters, state };
}
