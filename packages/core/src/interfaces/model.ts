import type { tf } from '@graft/engine';
import type { CheckpointReader } from '@graft/checkpoint';
import type { BatchTensors } from './batch';
import type { Decoding, GenerationDefaults } from './decoding';
import type { Parameters } from './parameters';
import type { CheckpointStorage } from './storage';

/** The part of the model to which a parameter belongs; freezing and warm-up select by part or name. */
export type ModelPart = 'encoder' | 'decoder' | 'cross-attention' | 'embedding' | 'head';

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly part: ModelPart;
  /**
   * How a random initializer fills it: `normal` (std from the initializer), `zeros` (biases, and norm weights where the gain
   * is 1 + w) or `ones` (gains).
   */
  readonly initial: 'normal' | 'zeros' | 'ones';
}

/**
 * Dropout rates, each in [0, 1): the share of values that training sets to zero; the others are divided by 1 - rate.
 */
export interface DropoutRates {
  /**
   * For embeddings, for outputs of sub-layers before the residual addition, inside the feed-forward, and for the final
   * states.
   */
  readonly dropout: number;
  /** For attention probabilities. */
  readonly attentionDropout: number;
  /** For the input of a classification head. */
  readonly classifierDropout: number;
}

export interface ForwardOptions {
  /** true while training (dropout applies). Default false. */
  training?: boolean;
  /**
   * Key for dropout, int32 [2], or [3] with the index of the batch's first row in the whole batch (`random.atRow`);
   * required if `training` is set and the model has dropout.
   */
  randomKey?: tf.Tensor;
  /** Rates that replace the model's own, for those that it has. */
  dropout?: Partial<DropoutRates>;
}

export interface ModelOutputs {
  /**
   * [batch, targetLength, vocabulary], after the final soft cap, float32. An encoder alone has no logits: reading them
   * throws.
   */
  logits: tf.Tensor3D;
  /** [batch, sourceLength, encoderHidden], after the final norm; not for decoder-only models. */
  encoderStates?: tf.Tensor3D;
}

/** `auto`: determined by the model's kind, or by the data set. */
export type SpecialTokenRule = 'auto' | boolean;

/** Special tokens around one side's text. */
export interface SideRules {
  /** The start token before the text. `auto`: yes for a decoder-only model, no for an encoder. */
  readonly bos: SpecialTokenRule;
  /** The end token after the text. `auto`: a data set's own `appendEos`; sources have none. */
  readonly eos: SpecialTokenRule;
}

/** The special tokens around a model's text. `specialTokenPolicy` and `modelInput` read it. */
export interface SpecialTokenPolicy {
  /** For sources. Not used by decoder-only models. */
  readonly encoder: SideRules;
  /**
   * For targets of a decoder, which always begins with its start token; for texts and prompts of a decoder-only model.
   */
  readonly decoder: SideRules;
  /** For the texts of a teacher of this model. `auto`: the teacher's own policy. */
  readonly teacher: { readonly bos: SpecialTokenRule };
}

/** Special-token ids of the model's checkpoints, and the policy on which of them surround text. */
export interface SpecialTokens {
  readonly pad: number;
  /** The token that starts a decoder's input (bos). */
  readonly start: number;
  readonly eos: readonly number[];
  /** Default: `auto` throughout. */
  readonly policy?: SpecialTokenPolicy;
}

/** The states that a task head reads. */
export interface Representation {
  /** Width of a state. */
  readonly width: number;
  /** Names of the parameters that the states depend on; the others need not be trained, or even exist. */
  readonly parameters: readonly string[];
  /** The family's standard deviation of initial weights, for initializing the head. Default 0.02. */
  readonly initializerRange?: number;
  /** [batch, length, width] after the final norm, of `input_ids` and `attention_mask`. Traceable. */
  states(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): tf.Tensor3D;
}

/** A model's output layer separately from the rest, for losses that never materialize all logits at once. */
export interface OutputHead {
  /** Names of the parameters that `logits` reads. */
  readonly parameters: readonly string[];
  /** Final states [N, width], one row for each position of the labels; fields as of `forward`. Traceable. */
  rows(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): tf.Tensor2D;
  /** Logits [n, vocabulary] of some of the rows, as `forward` returns them. Traceable. */
  logits(parameters: Parameters, rows: tf.Tensor): tf.Tensor2D;
}

/** `encoder-only` models produce states, but no tokens: they have `representation`, and no logits. */
export type ModelKind = 'encoder-decoder' | 'decoder-only' | 'encoder-only';

/** A model is a set of parameter names and pure functions of them: it owns no tensors. */
export interface Model {
  readonly kind: ModelKind;
  readonly vocabularySize: number;
  readonly specialTokens: SpecialTokens;
  /** Every parameter in file order. Tied tensors appear once. */
  readonly parameters: readonly ParameterSpec[];
  /** The checkpoint's config.json, in the Hugging Face dialect, as `save` writes it. */
  readonly checkpointConfig: Record<string, unknown>;
  /**
   * The generation_config.json of the model's original checkpoint, as `save` writes it: checkpoints of the model keep
   * its end tokens and settings.
   */
  readonly generationConfig?: Record<string, unknown>;
  /**
   * The checkpoint's settings for generation, which `Generator` uses for whatever its caller omits. Default: read from
   * `generationConfig`, otherwise the special tokens alone.
   */
  readonly generation?: GenerationDefaults;
  /** Any of these ends a generated sequence. Default: `specialTokens.eos`. */
  readonly endTokens?: readonly number[];
  /**
   * Whether `forward` supports SEGMENT_FIELDS: several sequences in one row that do not attend to each other. Default
   * false.
   */
  readonly readsSegments?: boolean;
  /** The model's dropout rates by kind. Default: no dropout. */
  readonly dropout?: Partial<DropoutRates>;
  /** Floating point operations of one training step (forward and backward matmuls) on such a batch; for reports. */
  flopsPerStep?(shapes: { batch: number; sourceLength: number; targetLength: number }): number;
  /**
   * Forward pass, traceable. Fields (Hugging Face names; masks optional, all ones when missing):
   * encoder-decoder: input_ids, attention_mask [batch, sourceLength], decoder_input_ids, decoder_attention_mask [batch, targetLength];
   * decoder-only and encoder-only: input_ids, attention_mask. With `readsSegments` also segment_ids, and decoder_segment_ids, of the same shapes.
   */
  forward(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): ModelOutputs;
  /** Generation with a cache. Default: the model does not generate. */
  readonly decoding?: Decoding;
  /**
   * How a checkpoint stores the parameters, and checks of it beyond names and shapes. Throws CheckpointError for a
   * checkpoint that contradicts itself. Default: tensors have the names of parameters.
   */
  storage?(checkpoint: CheckpointReader): CheckpointStorage | Promise<CheckpointStorage>;
  readonly head?: OutputHead;
  /** States of the encoder, or of a decoder-only model itself: the input of classification (paper, section 4). */
  readonly representation?: Representation;
}
