import type { tf } from '@graft/engine';
import type { CheckpointReader } from '@graft/checkpoint';
import type { BatchTensors } from './batch';
import type { Decoding, GenerationDefaults } from './decoding';
import type { Parameters } from './parameters';
import type { CheckpointStorage } from './storage';

/** The part of the model to which a parameter belongs; freezing and warm-up select by part or name. */
export type ModelPart = 'encoder' | 'decoder' | 'cross-attention' | 'embedding' | 'head';

/** A parameter of a model, as the model declares it. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly part: ModelPart;
  /**
   * How a random initializer fills it: `normal` (std from the initializer), `zeros` (biases, and norm weights if the
   * gain is 1 + w) or `ones` (gains).
   */
  readonly initial: 'normal' | 'zeros' | 'ones';
  /**
   * Whether it is the matrix W [out, in] of a linear layer x W^T, to which `train.lora` can give a low-rank pair. A
   * model that does not `readsPairs` may as well store W [in, out] for x W. Default false.
   */
  readonly linear?: boolean;
  /** Whether it never trains, as what `train.lora` leaves alone. Default false. */
  readonly frozen?: boolean;
  /** Whether it is float32 in memory, whatever `train.parameterDtype` says. Default false. */
  readonly keepsFloat32?: boolean;
}

/** Dropout rates, each in [0, 1): the share of values that training sets to zero. It divides the others by 1 - rate. */
export interface DropoutRates {
  /**
   * For embeddings, outputs of sub-layers before the residual addition, the inside of the feed-forward, and the final
   * states.
   */
  readonly dropout: number;
  /** For attention probabilities. */
  readonly attentionDropout: number;
  /** For the input of a classification head. */
  readonly classifierDropout: number;
}

/** What changes a forward pass. */
export interface ForwardOptions {
  /** true while training (dropout applies). Default false. */
  training?: boolean;
  /**
   * Key for dropout, int32 [2], or [3] with the index of the batch's first row in the whole batch (`random.atRow`).
   * Required if `training` is set and the model has dropout.
   */
  randomKey?: tf.Tensor;
  /** Rates that replace the model's own. Only for dropout that the model has. */
  dropout?: Partial<DropoutRates>;
  /**
   * Share of the inputs of low-rank pairs that training sets to zero, in [0, 1); each layer draws its own. Only for a
   * model that `readsPairs`. Default 0.
   */
  pairDropout?: number;
  /**
   * int32 [targets]: the row of the source that each target row reads, so that the encoder reads a source once for all
   * of its targets. Only for a model that `readsSeveralTargets`, and without dropout. Default: every source has the same
   * number of targets, which stand next to each other.
   */
  sourceRows?: tf.Tensor1D;
}

/** What `Model.forward` returns. */
export interface ModelOutputs {
  /**
   * [batch, targetLength, vocabulary], after the final soft cap, float32. An encoder-only model does not have logits:
   * reading them throws.
   */
  logits: tf.Tensor3D;
  /** [batch, sourceLength, encoderHidden], after the final norm; not for decoder-only models. */
  encoderStates?: tf.Tensor3D;
}

/** `auto`: the model's kind or the dataset determines it. */
export type SpecialTokenRule = 'auto' | boolean;

/** Special tokens around one side's text. */
export interface SideRules {
  /** The start token before the text. `auto`: yes for a decoder-only model, no for an encoder. */
  readonly bos: SpecialTokenRule;
  /** The end token after the text. `auto`: a dataset's own `appendEos` decides; sources have none. */
  readonly eos: SpecialTokenRule;
}

/** Which special tokens surround a model's text. `specialTokenPolicy` and `modelInput` read it. */
export interface SpecialTokenPolicy {
  /** For sources. Decoder-only models do not use it. */
  readonly encoder: SideRules;
  /**
   * For targets of a decoder, which always begins with its start token; for texts and prompts of a decoder-only model.
   */
  readonly decoder: SideRules;
  /** For the texts that a teacher of this model reads. `auto`: the teacher's own policy. */
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

/** The ids of one side of a model. */
export interface SideTokens {
  readonly vocabularySize: number;
  readonly specialTokens: Omit<SpecialTokens, 'policy'>;
}

/** The states that a task head reads. */
export interface Representation {
  /** Width of a state. */
  readonly width: number;
  /** Names of the parameters on which the states depend; the others need not be trained, or even exist. */
  readonly parameters: readonly string[];
  /** The family's standard deviation of initial weights, for initializing the head. Default 0.02. */
  readonly initializerRange?: number;
  /** [batch, length, width] after the final norm, from `input_ids` and `attention_mask`. Traceable. */
  states(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): tf.Tensor3D;
}

/** A model's output layer, separate from the rest, for losses that never materialize all logits at once. */
export interface OutputHead {
  /** Names of the parameters that `logits` reads. */
  readonly parameters: readonly string[];
  /** Final states [N, width], one row per position of the labels; fields as for `forward`. Traceable. */
  rows(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): tf.Tensor2D;
  /** Logits [n, vocabulary] of some of the rows, equal to those of `forward`. Traceable. */
  logits(parameters: Parameters, rows: tf.Tensor): tf.Tensor2D;
}

/** Lengths of a generation, in tokens. */
export interface GenerationShape {
  /** Rows that are generated together. */
  readonly batch: number;
  /** Tokens of each row that the encoder reads. Of no effect without one. */
  readonly sourceLength: number;
  /** Tokens that the decoder reads before it generates: the start token, or a decoder-only model's prompt. */
  readonly promptLength: number;
  /** Tokens generated for each row, at least 1. */
  readonly newTokens: number;
}

/** What a part of a generation takes for all rows together. */
export interface PhaseCosts {
  /** Floating point operations of its matrix products, those of masked positions included. */
  readonly flops: number;
  /** Bytes of parameters that it reads, each once, and of states, keys and values from the parts before it. */
  readonly bytesRead: number;
}

/** What the parts of a generation take; a model without a part leaves it out. */
export interface GenerationCosts {
  /** Reading the source. */
  readonly encode?: PhaseCosts;
  /** Reading the prompt, up to the first new token. With keys and values of the source. */
  readonly prefill?: PhaseCosts;
  /** Each further token; the same for all of them, as the cache is read whole. */
  readonly step?: PhaseCosts;
}

/** A model whose form changes while it trains; its parameters stay the same. */
export interface ModelTransition {
  /** Steps of training until the form no longer changes, counted from this model. */
  readonly steps: number;
  /**
   * The model as it is after that many steps: a number, or in a compiled step a float32 scalar below `steps`. Its
   * `checkpointConfig` says the form, so that it continues from there when it is loaded.
   */
  at(steps: number | tf.Scalar): Model;
}

/** `encoder-only` models produce states, but not tokens: they have `representation`, but not logits. */
export type ModelKind = 'encoder-decoder' | 'decoder-only' | 'encoder-only';

/** Rows and lengths of a batch, in tokens, for estimates. */
export interface StepShape {
  readonly batch: number;
  /** 0 for a decoder-only model. */
  readonly sourceLength: number;
  readonly targetLength: number;
  /** Targets of each source, in an encoder-decoder that declares `readsSeveralTargets`. Default 1. */
  readonly targetsPerSource?: number;
}

/** A model is a set of parameter names and pure functions of the parameters. It does not own tensors. */
export interface Model {
  readonly kind: ModelKind;
  readonly vocabularySize: number;
  /** No logit is larger, or smaller than its negative: of a final soft cap. Absent: nothing is known. */
  readonly logitBound?: number;
  readonly specialTokens: SpecialTokens;
  /**
   * The ids that the encoder of an encoder-decoder reads, if it has a table of its own: it may have another vocabulary than
   * the decoder, whose ids the other members are about (`tokensOfSide`). Default: the encoder shares the decoder's.
   */
  readonly encoderTokens?: SideTokens;
  /**
   * Tokens of the longest sequence that each side was trained to read. Longer ones are computed too, and reported. Default:
   * nothing is known.
   */
  readonly maxPositions?: { readonly encoder?: number; readonly decoder?: number };
  /** Every parameter in file order. Tied tensors appear once. */
  readonly parameters: readonly ParameterSpec[];
  /** The checkpoint's config.json, in the Hugging Face dialect, as `save` writes it. */
  readonly checkpointConfig: Record<string, unknown>;
  /**
   * The generation_config.json of the model's original checkpoint, which `save` writes: checkpoints of the model keep
   * its end tokens and settings.
   */
  readonly generationConfig?: Record<string, unknown>;
  /**
   * The checkpoint's settings for generation; `Generator` uses them for everything that its caller omits. Default: read
   * from `generationConfig`, otherwise only the special tokens.
   */
  readonly generation?: GenerationDefaults;
  /** Any of these ends a generated sequence. Default: `specialTokens.eos`. */
  readonly endTokens?: readonly number[];
  /**
   * Whether `forward` supports SEGMENT_FIELDS: several sequences in one row that do not attend to each other. Default
   * false.
   */
  readonly readsSegments?: boolean;
  /**
   * Whether `forward` and `head` accept several targets for each source: `decoder_input_ids` [batch * n, targetLength],
   * the n of a source next to each other, or as `ForwardOptions.sourceRows` says. The encoder then reads each source once.
   * Default false.
   */
  readonly readsSeveralTargets?: boolean;
  /**
   * The model that the training began with, if it is computed from some of the same parameters, which do not train:
   * under `train.lora` the model without its pairs. Default: none; training changes the parameters themselves.
   */
  readonly origin?: Model;
  /**
   * Whether all functions of the parameters add the low-rank pairs that they find there (`pairOf`, `lowRankTerm`).
   * Default false: under `train.lora` they get matrices to which the products of the pairs have been added.
   */
  readonly readsPairs?: boolean;
  /**
   * Names of a parameter in the published implementation, by which adapters call its module, the one to write first.
   * Default: the parameter's own.
   */
  publishedNames?(parameter: string): readonly string[];
  /** The model's dropout rates by kind. Default: no dropout. */
  readonly dropout?: Partial<DropoutRates>;
  /**
   * Floating point operations of one training step (forward and backward matmuls) on a batch of this shape; for
   * reports.
   */
  flopsPerStep?(shapes: StepShape): number;
  /**
   * Operations and bytes of generation with a cache, if each parameter takes `parameterBytes`; for reports. Default:
   * unknown.
   */
  generationCosts?(shape: GenerationShape, options: { parameterBytes: number }): GenerationCosts;
  /**
   * Bytes that a training step on a batch of this shape stores on a device for its gradient: values of the layers, and
   * logits, of which `chunkTokens` may be in memory at once (default: all). `rowParts` devices share each row, as
   * `ModelFamily.tensorSplits` says (default: 1). For estimates. Default: they leave it out.
   */
  stepMemory?(
    shapes: StepShape,
    options: { chunkTokens?: number; rowParts?: number },
  ): { activations: number; logits: number };
  /**
   * Forward pass, traceable. Fields (Hugging Face names; masks optional, all ones if missing):
   * encoder-decoder: input_ids, attention_mask [batch, sourceLength], decoder_input_ids, decoder_attention_mask [batch,
   * targetLength];
   * decoder-only and encoder-only: input_ids, attention_mask [batch, length].
   * With `readsSegments` also segment_ids (and decoder_segment_ids), with the shapes of the ids.
   * With `readsSeveralTargets` the decoder's fields may have a multiple of the source's rows.
   */
  forward(parameters: Parameters, fields: BatchTensors, options?: ForwardOptions): ModelOutputs;
  /** Generation with a cache. Default: the model does not generate. */
  readonly decoding?: Decoding;
  /**
   * How a checkpoint stores the parameters, after checks beyond names and shapes. Throws CheckpointError for a
   * checkpoint that contradicts itself. Default: tensors have the names of the parameters.
   */
  storage?(checkpoint: CheckpointReader): CheckpointStorage | Promise<CheckpointStorage>;
  readonly head?: OutputHead;
  /** Default: the model stays as it is. */
  readonly transition?: ModelTransition;
  /** States of the encoder, or of a decoder-only model itself: the input of classification (paper, section 4). */
  readonly representation?: Representation;
}
