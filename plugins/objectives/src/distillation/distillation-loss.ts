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
  const lossOf = (logits: tf.Tensor2D, from: number, behind: readonly tf.Tensor[] = []) => {
    const size = logits.shape[0];
    const whole = size === total;
    const target = withoutGradient(() => targets.slice(from, size, behind));
    const at = whole ? classes : tf.slice(classes, from, size);
    const w = whole ? weights : tf.slice(weights, from, size);
    return lossAgainst(logits, at, w, target, teacher.options, settings);
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

/** Weighted sums over logits [C, V] and labels [C]: the loss, and the metrics cross-entropy and divergence. */
function lossAgainst(
  logits: tf.Tensor2D,
  classes: tf.Tensor1D,
  weights: tf.Tensor1D,
  target: SoftTarget,
  { loss: kind = 'blend', alpha: ofBlend, temperature }: DistillationSettings,
  settings: CrossEntropySettings,
): { loss: tf.Scalar; metrics: tf.Scalar[] } {
  const alpha = kind === 'blend' ? ofBlend : 0;
  // A term of weight 0 is only measured, without a gradient.
  const measured = (weight: number, fn: () => tf.Scalar): tf.Scalar => (weight > 0 ? fn() : withoutGradient(fn));
  const crossEntropy = measured(alpha, () => weightedCrossEntropy(logits, classes, weights, settings));
  const divergence = measured(1 - alpha, () => {
    const soft = temperature === 1 ? logits : tf.mul<tf.Tensor2D>(logits, 1 / temperature);
    const sum =
      'logits' in target ? denseDivergence(soft, target.logits, weights) : topKDivergence(soft, target, weights);
    return scaled(sum, temperature ** 2);
  });
  const metrics = [crossEntropy, divergence];
  if (kind === 'blend') return { loss: tf.add(scaled(crossEntropy, alpha), scaled(divergence, 1 - alpha)), metrics };
  // The published losses are cross-entropies: the divergence plus the entropy of the teacher.
  const entropy = withoutGradient(() =>
    'logits' in target ? denseEntropy(target.logits, weights) : topKEntropy(target, weights),
  );
  return { loss: tf.add(divergence, scaled(entropy, temperature ** 2)), metrics };
}

const scaled = (x: tf.Scalar, factor: number): tf.Scalar => (factor === 1 ? x : tf.mul(x, factor));
