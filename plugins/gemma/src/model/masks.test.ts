import { openEngine, tf } from '@graft/engine';
import type { EncoderAttention, EncoderWindow } from './config-types';
import {
  decoderSpans,
  encoderSpans,
  MASKED,
  paddingMask,
  positionMask,
  sideMasks,
  type RowMasks,
  type SideMasks,
} from './masks';

const encoderMasks = (
  length: number,
  window: number,
  rule: EncoderWindow,
  masks?: RowMasks,
  attention?: EncoderAttention,
): SideMasks => sideMasks(encoderSpans(length, window, rule, attention), length, masks);
const decoderMasks = (length: number, window: number, masks?: RowMasks): SideMasks =>
  sideMasks(decoderSpans(length, window), length, masks);

/** Per query, the keys it sees, as text: one line a query, x for seen. */
function drawn(mask: tf.Tensor | undefined, row = 0): string[] | undefined {
  if (!mask) return undefined;
  const queries = mask.shape[3]!;
  const keys = mask.shape[4]!;
  const values = mask.dataSync();
  const start = mask.shape[0] === 1 ? 0 : row * queries * keys;
  return Array.from({ length: queries }, (_, i) =>
    Array.from({ length: keys }, (_, j) => (values[start + i * keys + j] === 0 ? 'x' : '.')).join(''),
  );
}

const ones = (...rows: number[][]): tf.Tensor => tf.tensor2d(rows, undefined, 'int32');

describe('attention masks', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  it('encoder windows extend in both directions: |i - j| < w if strict, <= w if inclusive', () => {
    expect(drawn(encoderMasks(5, 2, 'strict').sliding_attention)).toEqual([
      'xx...',
      'xxx..',
      '.xxx.',
      '..xxx',
      '...xx',
    ]);
    expect(drawn(encoderMasks(5, 2, 'inclusive').sliding_attention)).toEqual([
      'xxx..',
      'xxxx.',
      'xxxxx',
      '.xxxx',
      '..xxx',
    ]);
  });

  it('a causal encoder sees only the keys of its window that do not come later', () => {
    const causal = (rule: 'strict' | 'inclusive', padding?: tf.Tensor) =>
      encoderMasks(4, 2, rule, { attention: padding }, 'causal');
    expect(drawn(causal('strict').full_attention)).toEqual(['x...', 'xx..', 'xxx.', 'xxxx']);
    expect(drawn(causal('strict').sliding_attention)).toEqual(['x...', 'xx..', '.xx.', '..xx']);
    expect(drawn(causal('inclusive').sliding_attention)).toEqual(['x...', 'xx..', 'xxx.', '.xxx']);
    expect(drawn(causal('strict', ones([1, 0, 1, 1])).sliding_attention)).toEqual(['x...', 'x...', '..x.', '..xx']);
  });

  it.each([
    { ahead: 0, behind: Infinity },
    { ahead: 0, behind: 2 },
    { ahead: 3, behind: 3 },
  ])('a mask computed in the step equals the constant mask: %j', (reach) => {
    const [computed, constant] = [positionMask(7, reach, 0), positionMask(7, reach)];
    expect(computed.shape).toEqual(constant.shape);
    expect(drawn(computed)).toEqual(drawn(constant));
    expect(new Set(computed.dataSync().map((value) => value + 0))).toEqual(new Set([0, MASKED]));
  });

  it('full encoder layers are masked by padding alone', () => {
    expect(encoderMasks(5, 2, 'strict').full_attention).toBeUndefined();
    expect(drawn(encoderMasks(3, 9, 'strict', { attention: ones([0, 1, 1], [1, 1, 0]) }).full_attention, 1)).toEqual([
      'xx.',
    ]);
  });

  it('decoders see themselves and earlier positions, and w keys in sliding layers', () => {
    const masks = decoderMasks(4, 2);
    expect(drawn(masks.full_attention)).toEqual(['x...', 'xx..', 'xxx.', 'xxxx']);
    expect(drawn(masks.sliding_attention)).toEqual(['x...', 'xx..', '.xx.', '..xx']);
  });

  it('padding is added to every pattern, and a fully masked row has equal values everywhere', () => {
    const masks = decoderMasks(3, 2, { attention: ones([1, 1, 0], [0, 1, 1]) });
    expect(drawn(masks.full_attention, 0)).toEqual(['x..', 'xx.', 'xx.']);
    expect(drawn(masks.sliding_attention, 0)).toEqual(['x..', 'xx.', '.x.']);
    expect(drawn(masks.full_attention, 1)).toEqual(['...', '.x.', '.xx']);
    const first = Array.from(masks.full_attention!.dataSync().slice(9, 12));
    expect(first).toEqual([Math.fround(MASKED), Math.fround(MASKED), Math.fround(MASKED)]);
  });

  it('a window as long as the sequence has no mask of its own', () => {
    const masks = decoderMasks(4, 4);
    expect(masks.sliding_attention).toBe(masks.full_attention);
    expect(encoderMasks(4, 4, 'strict').sliding_attention).toBeUndefined();
    expect(encoderMasks(5, 4, 'strict').sliding_attention).toBeDefined();
    expect(encoderMasks(5, 4, 'inclusive').sliding_attention).toBeUndefined();
  });

  it('any number but 0 counts as visible', () => {
    expect(drawn(paddingMask(ones([1, 0, 7])))).toEqual(['x.x']);
  });
});
