/** Shapes as in layers.ts: B batch, S source length, E hidden width. */
import {
  AUTO_POLICY,
  DataError,
  type BatchTensors,
  type CheckpointStorage,
  type DropoutRates,
  type ForwardOptions,
  type GenerationCosts,
  type GenerationShape,
  type Model,
  type ModelOutputs,
  type Parameters,
  type ParameterSpec,
  type Representation,
  type SpecialTokens,
} from '@graft/core';
import type { CheckpointReader } from '@graft/checkpoint';
import type { tf } from '@graft/engine';
import { toCheckpointConfig, tokensOf, withIdleDecoder } from './config';
import type { AnyGemmaConfig, EncoderOnlyConfig } from './config-types';
import { NO_DROPOUT } from './dropout-rates';
import { flopsPerStep, type BatchShape } from '../cost/flops';
import { generationCosts } from '../cost/generation';
import { stepMemory, type StepMemory, type StepMemoryOptions } from '../cost/memory';
import { publishedNames } from '../load/declared-tensors';
import { gemmaStorage } from '../load/storage';
import { asGemma, GemmaModel } from './model';
import { parameterSpecs } from './parameters';

/**
 * An encoder alone: T5Gemma's, whose parameters have the names that they have in an encoder-decoder (`model.encoder.*`),
 * or a bidirectional Gemma 3. It computes states, and generates no text.
 */
export class GemmaEncoder implements Model {
  readonly kind = 'encoder-only';
  readonly readsSegments = true;
  readonly readsPairs = true;
  readonly vocabularySize: number;
  readonly specialTokens: SpecialTokens;
  readonly parameters: readonly ParameterSpec[];
  readonly representation: Representation;

  constructor(readonly config: EncoderOnlyConfig) {
    const { encoder, specialTokens: policy = AUTO_POLICY } = config;
    this.vocabularySize = encoder.vocabularySize;
    this.specialTokens = { ...tokensOf(encoder), policy };
    const whole = new GemmaModel(withIdleDecoder(config));
    this.parameters = parameterSpecs(config);
    this.representation = { ...whole.representation, parameters: this.parameters.map(({ name }) => name) };
  }

  get dropout(): Partial<DropoutRates> {
    return this.config.dropout ?? NO_DROPOUT;
  }

  get checkpointConfig(): Record<string, unknown> {
    return toCheckpointConfig(this.config);
  }

  publishedNames(parameter: string): readonly string[] {
    return publishedNames(parameter, this.config);
  }

  storage(checkpoint: CheckpointReader): Promise<CheckpointStorage> {
    return gemmaStorage(checkpoint, this.config);
  }

  generationCosts(shape: GenerationShape, options: { parameterBytes: number }): GenerationCosts {
    return generationCosts(this.config, shape, options);
  }

  flopsPerStep(shapes: BatchShape): number {
    return flopsPerStep(this.config, shapes);
  }

  stepMemory(shapes: BatchShape, options: StepMemoryOptions = {}): StepMemory {
    return stepMemory(this.config, shapes, options);
  }

  /** States of `input_ids` and `attention_mask`. Reading the outputs' `logits` throws DataError: there are none. */
  forward(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): ModelOutputs {
    return new EncoderOutputs(this.representation.states(parameters, fields, options));
  }
}

class EncoderOutputs implements ModelOutputs {
  constructor(readonly encoderStates: tf.Tensor3D) {}

  get logits(): tf.Tensor3D {
    throw new DataError('This model is an encoder alone: it has states, and no logits.', {
      code: 'gemma.encoder-only',
      exitCode: 2,
      hint: 'Take an objective that reads `encoderStates`, or a model with a decoder.',
    });
  }
}

/** A Gemma of any kind. */
export type AnyGemma = GemmaModel | GemmaEncoder;

/** `generationConfig`: see `GemmaModel`; an encoder alone does not use it. */
export const gemmaOf = (
  config: AnyGemmaConfig,
  generationConfig?: Record<string, unknown>,
  where?: string,
): AnyGemma =>
  config.kind === 'encoder-only' ? new GemmaEncoder(config) : new GemmaModel(config, generationConfig, where);

/** The model as a Gemma of any kind. `who` begins the error's sentence. */
export function asAnyGemma(model: Model, who: string): AnyGemma {
  const config = (model as Partial<AnyGemma>).config;
  // By shape, like `asGemma`.
  const isEncoder = config?.kind === 'encoder-only' && typeof config.encoder?.queryPreAttentionScalar === 'number';
  return isEncoder ? (model as GemmaEncoder) : asGemma(model, who);
}
