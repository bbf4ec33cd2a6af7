import { IGNORED_LABEL, type HostArray } from '../interfaces';

/**
 * Decoder inputs from labels: shifted right after the start token, with pad for ignored labels (quirk 5). Each segment
 * gets its own start token. labels and segments int32 [batch, length]; the result has the same shape.
 *
 *     labels [[5, 6, 1, -100]], start 2, pad 0   ->   [[2, 5, 6, 1]]
 *     labels [[5, 1, 6, 1]], segments [[1, 1, 2, 2]]   ->   [[2, 5, 2, 6]]
 */
export function shiftRight(labels: HostArray, start: number, pad: number, segments?: HostArray): HostArray {
  const [batch, length] = labels.shape;
  const values = new Int32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    const from = row * length;
    values[from] = start;
    for (let i = from + 1; i < from + length; i++) {
      const begins = segments && segments.values[i] !== segments.values[i - 1];
      if (begins) values[i] = segments.values[i] === 0 ? pad : start;
      else values[i] = labels.values[i - 1] === IGNORED_LABEL ? pad : labels.values[i - 1];
    }
  }
  return { dtype: 'int32', shape: [batch, length], values };
}
