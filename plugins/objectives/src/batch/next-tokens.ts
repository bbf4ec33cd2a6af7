import { IGNORED_LABEL } from '@graft/core';
import { stretchesOf } from './segments';

/** A row of a decoder-only model: one text, or several in a row. */
export interface TextRow {
  readonly tokens: ArrayLike<number>;
  /** The segment of each token, from 1 on; 0: padding. */
  readonly segments?: ArrayLike<number>;
  /** How much each token counts as a label. */
  readonly weights?: ArrayLike<number>;
}

/** The inputs of a decoder-only model at each position of a row, and the labels there; all have the same length. */
export interface NextTokens {
  readonly inputs: Int32Array;
  /** -100 at positions without a label. */
  readonly labels: Int32Array;
  readonly segments?: Int32Array;
  /** Weights of the labels. */
  readonly weights?: Float32Array;
}

/**
 * Inputs and next-token labels of a row. With a start token `bos`, each segment's first token becomes a label too, and
 * the result is as long as the text; a segment that already begins with `bos` does not get another. No label crosses
 * the border between two segments.
 *
 *     tokens [5, 6, 7, 1], start token 2       inputs [2, 5, 6, 7]   labels [5, 6, 7, 1]
 *     tokens [2, 5, 6, 1], start token 2       inputs [2, 5, 6, 1]   labels [5, 6, 1, -100]
 *     tokens [5, 6, 7, 1], without             inputs [5, 6, 7]      labels [6, 7, 1]
 */
export function nextTokens({ tokens, segments, weights }: TextRow, bos: number | undefined): NextTokens {
  const { length } = tokens;
  const inputs = Int32Array.from(tokens);
  const labels = new Int32Array(length).fill(IGNORED_LABEL);
  const ofLabels = weights && new Float32Array(length);
  for (const { start, end } of segments ? stretchesOf(segments) : [{ start: 0, end: length }]) {
    const begins = bos !== undefined && tokens[start] !== bos;
    // With an added start token the label at i is token i, otherwise token i + 1.
    const ahead = begins ? 0 : 1;
    for (let i = start; i + ahead < end; i++) {
      labels[i] = tokens[i + ahead];
      if (ofLabels) ofLabels[i] = weights[i + ahead];
    }
    if (!begins) continue;
    inputs.copyWithin(start + 1, start, end - 1);
    inputs[start] = bos;
  }
  // Without a start token, nothing follows the last token, so the model need not read it.
  const read = bos === undefined ? Math.max(0, length - 1) : length;
  return {
    inputs: inputs.subarray(0, read),
    labels: labels.subarray(0, read),
    ...(segments && { segments: Int32Array.from(segments).subarray(0, read) }),
    ...(ofLabels && { weights: ofLabels.subarray(0, read) }),
  };
}
