import type { tf } from '@graft/engine';
import type { BatchTensors } from './batch';

/** Parameters by their Hugging Face tensor name. A plain object, so that it is a tree for `jit` and for gradients. */
export type Parameters = Record<string, tf.Tensor>;

/** Which part of the model a parameter belongs to; freezing and warm-up choose by it or by name. */
export type ModelPart = 'encoder' | 'decoder' | 'cross-attention' | 'embedding' | 'head';

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly part: ModelPart;
  /** How a random initializer fills it: `normal` (std from the initializer) or `zeros` (norm weights; the gain is 1 + w). */
  readonly initial: 'normal' | 'zeros';
}

/** Shares of numbers that training sets to zero, each in [0, 1); the kept ones are divided by what is left, 1 - rate. */
export interface DropoutRates {
  /** Of embeddings, of what sub-layers add to the residual stream, inside the feed-forward, and of the final states. */
  readonly dropout: number;
  /** Of the probabilities of attention. */
  readonly attentionDropout: number;
  /** Of what a classification head reads. */
  readonly classifierDropout: number;
}

export interface ForwardOptions {
  /** true while training (dropout applies). Default false. */
  training?: boolean;
  /**
   * Key for dropout, int32 [2], or [3] with the place of the batch's first row in the whole batch (`random.atRow`); needed when
   * `training` and the model has dropout.
   */
  randomKey?: tf.Tensor;
  /** Rates in place of the model's own, of those that it has. */
  dropout?: Partial<DropoutRates>;
}

export interface ModelOutputs {
  /** [batch, targetLength, vocabulary], after the final soft cap, float32. An encoder alone has none: reading them throws. */
  logits: tf.Tensor3D;
  /** [batch, sourceLength, encoderHidden], after the final norm; not of decoder-only models. */
  encoderStates?: tf.Tensor3D;
}

/** `auto`: what the model's kind, or the data set, says. */
export type SpecialTokenRule = 'auto' | boolean;

/** Around what one side reads. */
export interface SideRules {
  /** The start token in front. `auto`: of a decoder-only model yes, of an encoder no. */
  readonly bos: SpecialTokenRule;
  /** The end token behind. `auto`: a data set's own `appendEos`; sources have none. */
  readonly eos: SpecialTokenRule;
}

/** Which special tokens a model's text has around it. `specialTokenPolicy` and `modelInput` read it. */
export interface SpecialTokenPolicy {
  /** Sources. Of no meaning for decoder-only models. */
  readonly encoder: SideRules;
  /** Targets of a decoder, which always begins with its start token; texts and prompts of a decoder-only model. */
  readonly decoder: SideRules;
  /** What a teacher of this model reads. `auto`: the teacher's own policy. */
  readonly teacher: { readonly bos: SpecialTokenRule };
}

/** Token ids that the model's checkpoints fix, and which of them stand around text. */
export interface SpecialTokens {
  readonly pad: number;
  /** The token that starts a decoder's input (bos). */
  readonly start: number;
  readonly eos: readonly number[];
  /** Default: `auto` throughout. */
  readonly policy?: SpecialTokenPolicy;
}

/** Encoder states ready for decoding, or whatever a model keeps between decoding steps: a tree of tensors. */
export type DecodingState = Record<string, tf.Tensor>;

/** What a task head reads. */
export interface Representation {
  /** Width of a state. */
  readonly width: number;
  /** Names of the parameters that the states depend on; the others need not be trained, nor be there. */
  readonly parameters: readonly string[];
  /** The family's standard deviation of fresh weights, for the head's. Default 0.02. */
  readonly initializerRange?: number;
  /** [batch, length, width] after the final norm, of `input_ids` and `attention_mask`. Traceable. */
  states(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): tf.Tensor3D;
}

/** A model's output layer apart from the rest, for losses that do not hold all logits at once. */
export interface OutputHead {
  /** Names of the parameters that `logits` reads. */
  readonly parameters: readonly string[];
  /** Final states [N, width], one row for each position of the labels; fields as of `forward`. Traceable. */
  rows(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): tf.Tensor2D;
  /** Logits [n, vocabulary] of some of the rows, as `forward` gives them. Traceable. */
  logits(parameters: Parameters, rows: tf.Tensor): tf.Tensor2D;
}

/** `encoder-only` models make states, and no words: they have `representation`, and no logits. */
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
   * The generation_config.json of the checkpoint that the model comes from, as `save` writes it: checkpoints made of the model keep
   * its end tokens and settings.
   */
  readonly generationConfig?: Record<string, unknown>;
  /** Any of these ends a generated sequence. Default: `specialTokens.eos`. */
  readonly endTokens?: readonly number[];
  /** Whether `forward` heeds SEGMENT_FIELDS: several sequences in one row that do not see each other. Default false. */
  readonly readsSegments?: boolean;
  /** What `training` drops, by the kinds of places that the model has. Default: it has none. */
  readonly dropout?: Partial<DropoutRates>;
  /** Floating point operations of one training step (forward and backward matmuls) on such a batch; for reports. */
  flopsPerStep?(shapes: { batch: number; sourceLength: number; targetLength: number }): number;
  /**
   * Forward pass, traceable. Fields (Hugging Face names; masks optional, all ones when missing):
   * encoder-decoder: input_ids, attention_mask [batch, sourceLength], decoder_input_ids, decoder_attention_mask [batch, targetLength];
   * decoder-only and encoder-only: input_ids, attention_mask. With `readsSegments` also segment_ids, and decoder_segment_ids, of the same shapes.
   */
  forward(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): ModelOutputs;
  readonly head?: OutputHead;
  /** States of the encoder, or of a decoder-only model itself: what classification stands on (paper, section 4). */
  readonly representation?: Representation;
}
