import type { OptimizerState, OptimizerUpdate, Parameters } from '@graft/core';
import { tf } from '@graft/engine';

export interface AdamWSettings {
  /** Decay rates of the two moments, each in [0, 1). */
  readonly betas: readonly [number, number];
  /** Added to the root of the second moment. */
  readonly epsilon: number;
  /** Decoupled weight decay, per step and unit of learning rate. */
  readonly weightDecay: number;
  /** Gradients are scaled down to this global norm; undefined leaves them. */
  readonly clipNorm?: number;
  /** Which parameters decay. */
  readonly decays: (name: string, shape: readonly number[]) => boolean;
}

const first = (name: string): string => `adamw.m/${name}`;
const second = (name: string): string => `adamw.v/${name}`;

export function initAdamW(parameters: Parameters): OptimizerState {
  const state: OptimizerState = {};
  for (const [name, parameter] of Object.entries(parameters)) {
    state[first(name)] = tf.zerosLike(parameter);
    state[second(name)] = tf.zerosLike(parameter);
  }
  return state;
}

/**
 * One step of AdamW (Loshchilov and Hutter, 2019) with bias correction, in the order of operations of the common
 * implementation: the root of the corrected second moment plus epsilon divides the first moment.
 */
export function updateAdamW(update: OptimizerUpdate, settings: AdamWSettings): { parameters: Parameters; state: OptimizerState } {
  const [beta1, beta2] = settings.betas;
  const t = tf.add(update.step, 1);
  const correction1 = tf.sub(1, tf.pow(beta1, t));
  const rootCorrection2 = tf.sqrt(tf.sub(1, tf.pow(beta2, t)));
  const stepSize = tf.div(update.learningRate, correction1);
  // The clip's 1e-6 is that of the published training code; it decides when a norm is exactly the limit.
  const scale =
    settings.clipNorm === undefined ? tf.scalar(1) : tf.minimum(1, tf.div(settings.clipNorm, tf.add(update.gradientNorm, 1e-6)));
  const scale1 = tf.mul(scale, 1 - beta1);
  const scale2 = tf.mul(tf.square(scale), 1 - beta2);
  const keep = tf.sub(1, tf.mul(update.learningRate, settings.weightDecay));

  const parameters: Parameters = {};
  const state: OptimizerState = {};
  for (const [name, parameter] of Object.entries(update.parameters)) {
    const gradient = update.gradients[name];
    const m = tf.add(tf.mul(update.state[first(name)], beta1), tf.mul(gradient, scale1));
    const v = tf.add(tf.mul(update.state[second(name)], beta2), tf.mul(tf.square(gradient), scale2));
    const denominator = tf.add(tf.div(tf.sqrt(v), rootCorrection2), settings.epsilon);
    const decayed = settings.weightDecay !== 0 && settings.decays(name, parameter.shape) ? tf.mul(parameter, keep) : parameter;
    parameters[name] = tf.sub(decayed, tf.mul(tf.div(m, denominator), stepSize));
    state[first(name)] = m;
    state[second(name)] = v;
  }
  return { parameters, state };
}
