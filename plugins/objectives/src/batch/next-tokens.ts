import { IGNORED_LABEL } from '@graft/core';
import { stretchesOf } from './segments';

/** A text of a decoder-only model, or several in a row. */
export interface TextRow {
  readonly tokens: ArrayLike<number>;
  /** Of each token, from 1 on; 0: filling. */
  readonly segments?: ArrayLike<number>;
  /** How much each token counts as a label. */
  readonly weights?: ArrayLike<number>;
}

/** What a decoder-only model reads at each position of a row, and what it is to predict there; all of one length. */
export interface NextTokens {
  readonly inputs: Int32Array;
  /** -100 where nothing is predicted. */
  readonly labels: Int32Array;
  readonly segments?: Int32Array;
  /** Of the labels. */
  readonly weights?: Float32Array;
}

/**
 * Next tokens of a row. Behind a start token each segment's first token is predicted too, and the lengths are those of the
 * text; a segment that brings its own gets none more. Nothing is predicted over a border.
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
    // Of a position's own token, or of the one behind it.
    const ahead = begins ? 0 : 1;
    for (let i = start; i + ahead < end; i++) {
      labels[i] = tokens[i + ahead];
      if (ofLabels) ofLabels[i] = weights[i + ahead];
    }
    if (!begins) continue;
    inputs.copyWithin(start + 1, start, end - 1);
    inputs[start] = bos;
  }
  // Without a start token nothing stands behind the last one, so that it need not be read.
  const read = bos === undefined ? Math.max(0, length - 1) : length;
  return {
    inputs: inputs.subarray(0, read),
    labels: labels.subarray(0, read),
    ...(segments && { segments: Int32Array.from(segments).subarray(0, read) }),
    ...(ofLabels && { weights: ofLabels.subarray(0, read) }),
  };
}
