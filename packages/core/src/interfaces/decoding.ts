/**
 * Functions that a family provides for generation. Shapes: B rows, P prompt length, D width of a state, V vocabulary.
 */
import type { tf } from '@graft/engine';
import type { BatchTensors } from './batch';
import type { Parameters } from './parameters';

/**
 * Tensors that persist between the steps of generation, by names that the family chooses; the first axis of each is the
 * row.
 */
export type DecodingState = Readonly<Record<string, tf.Tensor>>;

/**
 * A decoder's cache of the tokens that it has read. A family that does not need the division stores everything in
 * `recent`.
 */
export interface DecodingCache {
  /** Steps only read it. */
  readonly long: DecodingState;
  /** Every step replaces it, with the same names and shapes. */
  readonly recent: DecodingState;
}

/** What the decoder reads before it generates. */
export interface DecodingPrompt {
  /** int32 [B, P]. Every row ends at the last position: shorter ones are padded on the left. */
  readonly ids: tf.Tensor;
  /** int32 [B, P], 0 at padding. Default: no padding. */
  readonly mask?: tf.Tensor;
}

/** What `prefill` leaves for the steps. */
export interface DecodingStart {
  /** `[B, D]`: the states from which `logits` computes the first token after the prompt. */
  readonly states: tf.Tensor;
  /** Tensors that do not change between tokens, such as cross-attention's keys and values. */
  readonly fixed: DecodingState;
  readonly cache: DecodingCache;
}

/** What the model is given to compute the next token. */
export interface DecodingStep {
  /** int32 [B]: the newest token of each row. */
  readonly tokens: tf.Tensor;
  /** int32 scalar: its position, the same in all rows, below `capacity`. One trace works for all positions. */
  readonly position: tf.Tensor;
  readonly fixed: DecodingState;
  readonly cache: DecodingCache;
  /** The same as in `prefill`. */
  readonly capacity: number;
}

/**
 * Generation, one token at a time. A family computes states; core chooses tokens (greedily, by sampling, by beam
 * search), compiles these functions and frees their tensors. All functions except `cacheBytes` are traceable and pure.
 */
export interface Decoding {
  /**
   * Reads the source: `input_ids` and optionally `attention_mask`. Required for encoder-decoders; other models omit it.
   */
  encode?(parameters: Parameters, source: BatchTensors): DecodingState;
  /**
   * Reads the prompt (usually only the start token for an encoder-decoder); `encoded` is the result of `encode`.
   * `capacity`: the total number of positions of prompt and steps, a plain number.
   */
  prefill(
    parameters: Parameters,
    prompt: DecodingPrompt,
    encoded: DecodingState | undefined,
    capacity: number,
  ): DecodingStart;
  /** Reads one more token. */
  step(parameters: Parameters, step: DecodingStep): { readonly states: tf.Tensor; readonly recent: DecodingState };
  /** Logits [B, V], as `forward` returns them, from states [B, D]. */
  logits(parameters: Parameters, states: tf.Tensor): tf.Tensor2D;
  /**
   * Scores [B, V] in the same order as the logits, for greedy decoding, if they are cheaper to compute. Default:
   * `logits`.
   */
  ranking?(parameters: Parameters, states: tf.Tensor): tf.Tensor2D;
  /**
   * Moves `recent` into `long`; core calls it after each position p for which p + 1 is a multiple of `every`. Default:
   * never.
   */
  readonly folding?: {
    readonly every: number;
    fold(cache: DecodingCache, position: tf.Tensor): DecodingCache;
  };
  /**
   * Bytes of the cache for `rows` sequences, so that core can reject a cache that does not fit into memory. Default:
   * unknown.
   */
  cacheBytes?(rows: number, capacity: number): number;
}

/** A checkpoint's own settings for generation; a caller's settings override them. */
export interface GenerationDefaults {
  /** Path of the file with the settings; undefined if only config.json's token ids are known. */
  readonly from?: string;
  /** Any of these tokens ends a sequence. If empty, sequences run to the limit. */
  readonly eos: readonly number[];
  /** Fills positions after the end. */
  readonly pad: number;
  /** Begins an encoder-decoder's output. */
  readonly start: number;
  /** Whether the checkpoint requests sampling. Graft samples only if its caller does. */
  readonly sample: boolean;
  /** For sampling. */
  readonly temperature?: number;
  /** For sampling; 0: all tokens. */
  readonly topK?: number;
  /** For sampling. */
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly beams?: number;
  readonly lengthPenalty?: number;
  readonly maxNewTokens?: number;
  /** Total length, including the prompt or, in an encoder-decoder, the start token. */
  readonly maxLength?: number;
  /**
   * Settings that Graft does not support and that would change the output of the published implementation, each
   * as `key value`.
   */
  readonly ignored: readonly string[];
}
