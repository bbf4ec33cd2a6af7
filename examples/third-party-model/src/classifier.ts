import { CheckpointError, type BatchTensors, type Classifier, type ModelSettings, type Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';
import type { PrenormConfig } from './config';
import { PrenormModel } from './model';

/** The head: [C, D] and [C]. */
const HEAD = { weight: 'score.weight', bias: 'score.bias' } as const;

const labelsSchema = z.object({ labels: z.array(z.string()).min(2) });

/** One class per text, from the mean of the encoder's states. C classes; otherwise shapes as in layers.ts. */
export class PrenormClassifier implements Classifier {
  readonly kind = 'encoder-only';
  readonly task = 'sequence';
  readonly vocabularySize: number;
  readonly specialTokens: Classifier['specialTokens'];
  readonly parameters: Classifier['parameters'];
  readonly labels: readonly string[];
  private readonly model: PrenormModel;

  /** Throws CheckpointError, naming `where`, if config.json has no `labels`. */
  constructor(config: PrenormConfig, json: Record<string, unknown>, settings: ModelSettings, where: string) {
    const parsed = labelsSchema.safeParse(json);
    if (!parsed.success)
      throw new CheckpointError(`${where} has no "labels": a list of the names of two or more classes.`, {
        code: 'prenorm.classifier',
        exitCode: 2,
      });
    this.labels = parsed.data.labels;
    this.model = new PrenormModel(config, settings);
    this.vocabularySize = this.model.vocabularySize;
    this.specialTokens = this.model.specialTokens;
    const { width, parameters } = this.model.representation;
    const classes = this.labels.length;
    this.parameters = [
      ...this.model.parameters.filter(({ name }) => parameters.includes(name)),
      { name: HEAD.weight, shape: [classes, width], part: 'head', initial: 'normal' },
      { name: HEAD.bias, shape: [classes], part: 'head', initial: 'zeros' },
    ];
  }

  logits(parameters: Parameters, fields: BatchTensors): tf.Tensor2D {
    const states = this.model.representation.states(parameters, fields);
    const mask = tf.expandDims(fields.attention_mask.toFloat(), -1);
    const mean = tf.div<tf.Tensor2D>(tf.sum(tf.mul(states, mask), 1), tf.sum(mask, 1));
    const weight = parameters[HEAD.weight] as tf.Tensor2D;
    return tf.add(tf.matMul(mean, weight, false, true), parameters[HEAD.bias]);
  }
}
