/** Shapes: N labels, C labels of a chunk, V vocabulary, K known tokens of a distribution. */
import {
  labelWeights,
  weightedCrossEntropy,
  type BatchTensors,
  type CrossEntropySettings,
  type LossOutput,
  type Model,
  type Parameters,
} from '@graft/core';
import { tf, withoutGradient } from '@graft/engine';
import { sumOverChunks } from '../loss/chunks';
import { denseDivergence, denseEntropy } from '../loss/dense-divergence';
import type { TeacherTargets, DistillationSettings, SoftTarget } from './teacher-targets';
import { outputHeadOf, type LossSettings } from '../loss/language-model-loss';
import { topKDivergence, topKEntropy } from '../loss/top-k-divergence';

/**
 * A student's loss: the weighted mean over the labels that count, with their total weight. If `chunkTokens` is set,
 * both output layers are computed in chunks. Metrics, whatever their share in the loss: `crossEntropy` of the labels
 * and `divergence` from the teacher.
 *
 * A label without an origin in the text (`label_origins`), such as a sentinel, has a one-hot distribution instead of
 * the teacher's: its divergence is its cross-entropy, at temperature 1, since there is nothing to soften.
 */
export function distillationLoss(
  model: Model,
  parameters: Parameters,
  batch: BatchTensors,
  options: { training: boolean; randomKey?: tf.Tensor },
  { chunkTokens, ...settings }: LossSettings,
  teacher: TeacherTargets,
): LossOutput {
  const { labels, label_weights: given, ...inputs } = batch;
  const { count, weight, weights, classes } = labelWeights(labels, given);
  const targets = withoutGradient(() => teacher.targets(batch));
  const total = labels.size;
  const oneHot = batch.label_origins && oneHotWeights(batch.label_origins, weights);
  const lossOf = (logits: tf.Tensor2D, from: number, behind: readonly tf.Tensor[] = []) => {
    const size = logits.shape[0];
    const whole = size === total;
    const target = withoutGradient(() => targets.slice(from, size, behind));
    const part = (all: tf.Tensor1D): tf.Tensor1D => (whole ? all : tf.slice(all, from, size)); // [C]
    const of = { classes: part(classes), weights: part(weights), oneHot: oneHot && part(oneHot) };
    return lossAgainst(logits, of, target, teacher.options, settings);
  };
  const { loss, metrics } =
    chunkTokens === undefined
      ? lossOf(model.forward(parameters, inputs, options).logits.reshape([total, model.vocabularySize]), 0)
      : inChunks(chunkTokens);
  const [crossEntropy, divergence] = metrics;
  return { loss, weight, metrics: { crossEntropy, divergence }, sums: { targetTokens: count } };

  function inChunks(tokens: number): ReturnType<typeof sumOverChunks> {
    const head = outputHeadOf(model);
    const rows = head.rows(parameters, inputs, options);
    return sumOverChunks(head, parameters, rows, { chunkTokens: tokens, training: options.training }, lossOf);
  }
}

/** The weights [N] of the labels without an origin; 0 for the others. */
function oneHotWeights(origins: tf.Tensor, weights: tf.Tensor1D): tf.Tensor1D {
  return tf.mul(tf.less(origins.reshape([-1]), 0).toFloat(), weights);
}

interface Labels {
  readonly classes: tf.Tensor1D;
  readonly weights: tf.Tensor1D;
  /** The part of `weights` whose target is one-hot. Default: none. */
  readonly oneHot?: tf.Tensor1D;
}

/** Weighted sums over logits [C, V] and labels [C]: the loss, and the metrics cross-entropy and divergence. */
function lossAgainst(
  logits: tf.Tensor2D,
  { classes, weights, oneHot }: Labels,
  target: SoftTarget,
  { loss: kind = 'blend', alpha: ofBlend, temperature }: DistillationSettings,
  settings: CrossEntropySettings,
): { loss: tf.Scalar; metrics: tf.Scalar[] } {
  const alpha = kind === 'blend' ? ofBlend : 0;
  // A term of weight 0 is only measured, without a gradient.
  const measured = (weight: number, fn: () => tf.Scalar): tf.Scalar => (weight > 0 ? fn() : withoutGradient(fn));
  const crossEntropy = measured(alpha, () => weightedCrossEntropy(logits, classes, weights, settings));
  const taught = oneHot ? tf.sub<tf.Tensor1D>(weights, oneHot) : weights;
  const divergence = measured(1 - alpha, () => {
    const soft = temperature === 1 ? logits : tf.mul<tf.Tensor2D>(logits, 1 / temperature);
    const sum =
      'logits' in target ? denseDivergence(soft, target.logits, taught) : topKDivergence(soft, target, taught);
    const ofTeacher = scaled(sum, temperature ** 2);
    // Without smoothing and z-loss, which belong to the labels' share.
    return oneHot ? tf.add(ofTeacher, weightedCrossEntropy(logits, classes, oneHot, {})) : ofTeacher;
  });
  const metrics = [crossEntropy, divergence];
  if (kind === 'blend') return { loss: tf.add(scaled(crossEntropy, alpha), scaled(divergence, 1 - alpha)), metrics };
  // The published losses are cross-entropies: the divergence plus the entropy of the teacher.
  const entropy = withoutGradient(() =>
    'logits' in target ? denseEntropy(target.logits, taught) : topKEntropy(target, taught),
  );
  return { loss: tf.add(divergence, scaled(entropy, temperature ** 2)), metrics };
}

const scaled = (x: tf.Scalar, factor: number): tf.Scalar => (factor === 1 ? x : tf.mul(x, factor));
