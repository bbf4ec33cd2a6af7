/** Generation as a family provides it. Shapes: B rows, P prompt length, D width of a state, V vocabulary. */
import type { tf } from '@graft/engine';
import type { BatchTensors } from './batch';
import type { Parameters } from './parameters';

/** Tensors between the steps of generation, by names that the family chooses; the first axis of each is the row. */
export type DecodingState = Readonly<Record<string, tf.Tensor>>;

/** What a decoder keeps of the tokens that it has read. A family that needs no such division keeps all in `recent`. */
export interface DecodingCache {
  /** Only read by steps. */
  readonly long: DecodingState;
  /** Replaced by every step, with the same names and shapes. */
  readonly recent: DecodingState;
}

export interface DecodingPrompt {
  /** int32 [B, P]. Every row ends at the last position: shorter ones are padded on the left. */
  readonly ids: tf.Tensor;
  /** int32 [B, P], 0 at padding. Default: no padding. */
  readonly mask?: tf.Tensor;
}

export interface DecodingStart {
  /** [B, D]: the states from which `logits` computes the first token after the prompt. */
  readonly states: tf.Tensor;
  /** The same for every token, such as cross-attention's keys and values. */
  readonly fixed: DecodingState;
  readonly cache: DecodingCache;
}

export interface DecodingStep {
  /** int32 [B]: the newest token of each row. */
  readonly tokens: tf.Tensor;
  /** int32 scalar: its position, the same in all rows, below `capacity`. One trace works for all positions. */
  readonly position: tf.Tensor;
  readonly fixed: DecodingState;
  readonly cache: DecodingCache;
  /** As in `prefill`. */
  readonly capacity: number;
}

/**
 * Generation, one token at a time. Core chooses tokens (greedily, by sampling, by beam search), compiles these functions
 * and frees their tensors; a family computes states. All functions but `cacheBytes` are traceable and pure.
 */
export interface Decoding {
  /** Reads the source, `input_ids` and perhaps `attention_mask`. Encoder-decoders only, which must have it. */
  encode?(parameters: Parameters, source: BatchTensors): DecodingState;
  /**
   * Reads the prompt (for an encoder-decoder usually the start token alone); `encoded` is the result of `encode`.
   * `capacity`: the number of positions that prompt and steps will take altogether, a plain number.
   */
  prefill(
    parameters: Parameters,
    prompt: DecodingPrompt,
    encoded: DecodingState | undefined,
    capacity: number,
  ): DecodingStart;
  /** Reads one more token. */
  step(parameters: Parameters, step: DecodingStep): { readonly states: tf.Tensor; readonly recent: DecodingState };
  /** Logits [B, V], as of `forward`, from states [B, D]. */
  logits(parameters: Parameters, states: tf.Tensor): tf.Tensor2D;
  /** Scores [B, V] in the order of the logits, for greedy decoding, if they cost less. Default: `logits`. */
  ranking?(parameters: Parameters, states: tf.Tensor): tf.Tensor2D;
  /**
   * Moves `recent` into `long`; core calls it after each position p for which p + 1 is a multiple of `every`. Default:
   * never.
   */
  readonly folding?: {
    readonly every: number;
    fold(cache: DecodingCache, position: tf.Tensor): DecodingCache;
  };
  /** Bytes that the cache of `rows` sequences takes, to refuse what does not fit into memory. Default: unknown. */
  cacheBytes?(rows: number, capacity: number): number;
}

/** A checkpoint's own settings for generation; a caller's settings override them. */
export interface GenerationDefaults {
  /** Path of the file with the settings; undefined if only config.json's token ids are known. */
  readonly from?: string;
  /** Any of these ends a sequence; none: sequences run to the limit. */
  readonly eos: readonly number[];
  /** Fills positions after an end. */
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
  /** Includes the prompt; in an encoder-decoder, the start token. */
  readonly maxLength?: number;
  /** Settings that would change what the published implementation generates, and that Graft lacks: each `key value`. */
  readonly ignored: readonly string[];
}
