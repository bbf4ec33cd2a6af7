/** Optional abilities of a model family besides building models: each hook makes commands work on its checkpoints. */
import type { CheckpointReader } from '@graft/checkpoint';
import type { tf } from '@graft/engine';
import type { BatchTensors } from './batch';
import type { Model, ModelKind, ParameterSpec, SpecialTokenPolicy, SpecialTokens } from './model';
import type { Parameters } from './parameters';
import type { CheckpointStorage } from './storage';

/** Settings of a run for a model, in addition to its family's options. */
export interface ModelSettings {
  /**
   * The config's policy merged over the checkpoint's; the model stores it as `specialTokens.policy`. Default: the
   * checkpoint's policy.
   */
  readonly specialTokens?: SpecialTokenPolicy;
  /** The checkpoint's generation_config.json; the model stores it as its `generationConfig`. */
  readonly generationConfig?: Record<string, unknown>;
  /** Path of the file with these settings, for errors and `GenerationDefaults.from`. Default: unknown. */
  readonly generationFrom?: string;
  /** The checkpoint's folder; errors name its config.json. Default: unknown. */
  readonly folder?: string;
}

/** Which dimension of parameters tensor parallelism splits: of a matrix [out, in], 0 is by columns, and 1 by rows. */
export interface TensorSplit {
  /** Parameters by name; `*` matches any text. */
  readonly names: readonly string[];
  readonly dimension: number;
}

/** Builds models of one family. The config's `model:` section contains its options (presets, sizes, switches). */
export interface ModelFamily {
  /**
   * The values of `model_type` in config.json that belong to this family. Commands use them to find the family of a
   * checkpoint; all options of the family must then have defaults. Default: commands do not find the family.
   */
  readonly modelTypes?: readonly string[];
  /**
   * `checkpointConfig`: a Hugging Face config.json from the initializer; the family's options override it field by
   * field.
   */
  build(checkpointConfig?: Record<string, unknown>, settings?: ModelSettings): Model;
  /**
   * For `train.sharding: tensor`: how parameters are split over the axis `model`; the first that matches counts, and the
   * others stay whole. Default: matrices along their last dimension that can be split.
   */
  readonly tensorSplits?: readonly TensorSplit[];
  /** For `graft classify`: the classifier in a folder. Throws CheckpointError if the folder does not contain one. */
  classifier?(checkpoint: CheckpointReader, settings?: ModelSettings): Promise<Classifier>;
  /** For `graft adapt`: writes an encoder-decoder made from decoder-only checkpoints of this family. */
  adapt?(request: FamilyAdaptRequest): Promise<FamilyAdaptResult>;
  /** For `graft export`: writes the encoder of an encoder-decoder of this family as a checkpoint of its own. */
  exportEncoder?(request: FamilyExportRequest): Promise<FamilyAdaptResult>;
}

/** A model with a classification head as pure functions of its parameters; it owns no tensors. */
export interface Classifier {
  readonly kind: ModelKind;
  readonly vocabularySize: number;
  readonly specialTokens: SpecialTokens;
  readonly parameters: readonly ParameterSpec[];
  /** `sequence`: one class per text; `token`: one class per token. */
  readonly task: 'sequence' | 'token';
  /** Names of the classes, in the order of the logits. */
  readonly labels: readonly string[];
  /** See `Model.storage`. */
  storage?(checkpoint: CheckpointReader): CheckpointStorage | Promise<CheckpointStorage>;
  /**
   * Logits [B, classes], or [B, T, classes] of a token classifier, from `input_ids` and `attention_mask` [B, T].
   * Traceable.
   */
  logits(parameters: Parameters, fields: BatchTensors): tf.Tensor;
}

/** What `ModelFamily.adapt` converts, and where to. */
export interface FamilyAdaptRequest {
  /** Folder of the checkpoint that becomes the encoder. */
  readonly encoder: string;
  /** Folder of the checkpoint that becomes the decoder. Default: the encoder's. */
  readonly decoder?: string;
  /** The new checkpoint's folder; it must not exist. */
  readonly out: string;
  /** float32, bfloat16 or float16. Default: the sources' if they agree, otherwise float32. */
  readonly dtype?: string;
  /** Maximum size of a weights file, in bytes. Default: the family's. */
  readonly maxShardBytes?: number;
  /** Continues an interrupted call in the same folder. */
  readonly resume?: boolean;
  /** Aborting it ends the call with a CheckpointError whose code ends in `.adapt-interrupted`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly bytes: number }) => void;
  /** Called with a sentence if checking whether another process is still writing to the folder takes a while. */
  readonly onWatch?: (sentence: string) => void;
  /** The command's other options (`crossAttention`, `seed`, …), undefined if not given; see `graft adapt --help`. */
  readonly choices: Readonly<Record<string, unknown>>;
}

/**
 * `encoder` is the folder of the encoder-decoder, and `choices` has `encoderWindow` and `encoderAttention`. The code of an
 * abort ends in `.export-interrupted`.
 */
export type FamilyExportRequest = Omit<FamilyAdaptRequest, 'decoder'>;

/** What `ModelFamily.adapt` has written. */
export interface FamilyAdaptResult {
  /** The new folder. */
  readonly out: string;
  /** Sentences for the user: what was copied, what is random, and why. */
  readonly notes: readonly string[];
}
