/** Shapes: B rows, V vocabulary. */
import { DataError, random, tf, type RandomKey } from '@graft/engine';
import type { GenerationDefaults } from '../../interfaces';

/**
 * How the next token is chosen. Without settings: the most probable one. When a caller samples, missing settings come
 * from the checkpoint, see `completeSampling`.
 */
export interface Sampling {
  /** Whether to draw tokens. Default: whether temperature (above 0), topK or topP is given. */
  readonly sample?: boolean;
  /**
   * Divides the logits before drawing; 0: no drawing, the most probable token. Default: the checkpoint's, otherwise 1.
   */
  readonly temperature?: number;
  /** Draws only from the k most probable tokens; 0: from all. Default: the checkpoint's, otherwise 50 as published. */
  readonly topK?: number;
  /**
   * Draws only from the smallest set of most probable tokens that together reach this probability, in (0, 1]. Default:
   * the checkpoint's, otherwise 1.
   */
  readonly topP?: number;
  /**
   * Logits of tokens that the row already contains are divided by it (multiplied if negative). Default: the
   * checkpoint's, otherwise 1: no penalty.
   */
  readonly repetitionPenalty?: number;
  /** Seed of the draws. Default 0. */
  readonly seed?: number;
  /**
   * The row of a larger batch that the first row is: each row draws what it would draw there, from 0. Default: what a row
   * draws depends on the rows before it.
   */
  readonly firstRow?: number;
}

/** Throws DataError for numbers out of range. */
export function checkSampling({ temperature, topK, topP, repetitionPenalty }: Sampling): void {
  const wrong = (name: string, expected: string, got: number): DataError =>
    new DataError(`${name} should be ${expected}, but is ${got}.`, { code: 'generation.sampling', exitCode: 2 });
  if (temperature !== undefined && !(temperature >= 0 && Number.isFinite(temperature)))
    throw wrong('temperature', 'a number of at least 0', temperature);
  if (topK !== undefined && !(Number.isSafeInteger(topK) && topK >= 0))
    throw wrong('topK', 'an integer of at least 1, or 0 for all tokens', topK);
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw wrong('topP', 'above 0 and at most 1', topP);
  if (repetitionPenalty !== undefined && !(repetitionPenalty > 0 && Number.isFinite(repetitionPenalty)))
    throw wrong('repetitionPenalty', 'a number above 0', repetitionPenalty);
}

/** Whether tokens are drawn, rather than chosen as the most probable ones. */
export function draws({ sample, temperature, topK, topP }: Sampling): boolean {
  if (temperature === 0) return false;
  return sample ?? (temperature !== undefined || topK !== undefined || topP !== undefined);
}

/** Default for sampling, as in the published implementation. */
const DEFAULT_TOP_K = 50;

/**
 * A caller's settings with defaults: if it samples, missing settings come from the checkpoint. The checkpoint's
 * repetition penalty applies to greedy decoding too. Throws DataError if the checkpoint has temperature 0 and the
 * caller does not set one.
 */
export function completeSampling(asked: Sampling, defaults: GenerationDefaults): Sampling {
  const { seed, firstRow } = asked;
  const repetitionPenalty = asked.repetitionPenalty ?? defaults.repetitionPenalty;
  if (!draws(asked)) return { sample: false, repetitionPenalty, seed, firstRow };
  const temperature = asked.temperature ?? defaults.temperature ?? 1;
  if (temperature === 0) {
    throw new DataError(`${defaults.from} has temperature 0, with which nothing can be drawn.`, {
      code: 'generation.sampling',
      exitCode: 2,
      hint: 'Give a temperature above 0.',
    });
  }
  const topK = asked.topK ?? defaults.topK ?? DEFAULT_TOP_K;
  const topP = asked.topP ?? defaults.topP;
  return { sample: true, temperature, topK: topK === 0 ? undefined : topK, topP, repetitionPenalty, seed, firstRow };
}

/** A tree for `jit`: the numbers of `Sampling` are static, so that unused ones cost nothing. */
export interface Choice {
  readonly sampling: Sampling;
  /** float32 [B, V], 1 for tokens in the row; only with a repetition penalty. */
  readonly seen?: tf.Tensor;
  /** int32 [2], or with a row int32 [3]; only if tokens are drawn. */
  readonly key?: tf.Tensor;
}

/** Whether the choice needs only the largest logit. */
export const isGreedy = ({ seen, key }: Choice): boolean => !seen && !key;

const IMPOSSIBLE = -1e30;

/** The next token of each row, int32 [B], from logits [B, V]. Traceable. */
export function chooseTokens(logits: tf.Tensor2D, choice: Choice): tf.Tensor1D {
  const { key } = choice;
  let scores = scoresOf(logits, choice);
  if (key) {
    // Gumbel's trick: the largest of the logits plus this noise is a draw from their softmax.
    const uniform = tf.maximum(random.uniform(key as RandomKey, scores.shape), 1e-20);
    scores = tf.sub(scores, tf.log(tf.neg(tf.log(uniform))));
  }
  return tf.argMax(scores, 1).toInt() as tf.Tensor1D;
}

/**
 * Logits [B, V] whose softmax is the distribution of the draw; without a key, in the order of greedy decoding.
 * Traceable.
 */
export function scoresOf(logits: tf.Tensor2D, { sampling, seen, key }: Choice): tf.Tensor {
  const { temperature = 1, topK, topP, repetitionPenalty } = sampling;
  let scores: tf.Tensor = logits;
  if (seen && repetitionPenalty !== undefined) {
    const penalized = tf.where(
      tf.greater(scores, 0),
      tf.div(scores, repetitionPenalty),
      tf.mul(scores, repetitionPenalty),
    );
    scores = tf.where(tf.greater(seen, 0), penalized, scores);
  }
  if (key) {
    scores = tf.div(scores, temperature);
    scores = keepMostProbable(scores, topK, topP);
  }
  return scores;
}

/** Rows [B, V] in which all but the most probable tokens are impossible. */
function keepMostProbable(scores: tf.Tensor, topK: number | undefined, topP: number | undefined): tf.Tensor {
  if (topK === undefined && (topP === undefined || topP === 1)) return scores;
  const vocabulary = scores.shape[1]!;
  const count = Math.min(topK ?? vocabulary, vocabulary);
  const best = tf.topk(scores, count).values; // [B, count], largest first
  let least = tf.slice(best, [0, count - 1], [-1, 1]); // [B, 1]
  if (topP !== undefined && topP < 1) {
    // The smallest set that reaches topP: keeps each token if the total probability before it is below topP.
    const before = tf.cumsum(tf.softmax(best), 1, true); // [B, count]
    const kept = tf.where(tf.less(before, topP), best, tf.fill(best.shape, -IMPOSSIBLE));
    least = tf.min(kept, 1, true);
  }
  return tf.where(tf.greaterEqual(scores, least), scores, tf.fill(scores.shape, IMPOSSIBLE));
}
