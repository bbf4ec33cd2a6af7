/** Shapes: B pairs of answers. */
import type { BatchTensors, Model, Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { answerRows, keyOfAnswers } from '../batch/preference-batch';
import { rowLogProbabilities, type RowLogProbabilities, type RowOptions } from './label-log-probabilities';

/** The log-probabilities of both answers of a batch of preferences: [2B], chosen and rejected in turn. Traceable. */
export function answerLogProbabilities(
  model: Model,
  parameters: Parameters,
  batch: BatchTensors,
  { randomKey, ...options }: RowOptions,
): RowLogProbabilities {
  const { fields, labels } = answerRows(batch, model);
  return rowLogProbabilities(model, parameters, fields, labels, {
    ...options,
    randomKey: keyOfAnswers(randomKey, model),
  });
}

/** Of values [2B] those of the chosen and of the rejected answers, [B] each. */
export function answersOf(values: tf.Tensor1D): [chosen: tf.Tensor1D, rejected: tf.Tensor1D] {
  const pairs = values.size / 2;
  const table = tf.reshape(values, [pairs, 2]);
  const column = (at: number): tf.Tensor1D => tf.reshape(tf.slice(table, [0, at], [pairs, 1]), [pairs]);
  return [column(0), column(1)];
}
