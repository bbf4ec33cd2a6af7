import { openEngine, random, tf, valueAndGradients, type Engine } from '@graft/engine';
import * as fc from 'fast-check';
import { attentionMethod, blocked, whole } from './attention';
import { additiveMask, crossRule, keysInReach, sideRules, type AttentionMask } from './attention-mask';
import type { SideConfig } from './config-types';
import { crossMask, decoderSpans, encoderSpans, MASKED, sideMasks } from './masks';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ mode: 'graph' });
});

const block = (queries: number, keys = queries) => ({ firstQuery: 0, queries, firstKey: 0, keys });

/** Which keys are seen, [B, T, S] as booleans. */
function seen(mask: tf.Tensor | undefined, batch: number, queries: number, keys: number): boolean[] {
  if (!mask) return Array.from({ length: batch * queries * keys }, () => true);
  return Array.from(tf.broadcastTo(mask, [batch, 1, 1, queries, keys]).dataSync(), (value) => {
    expect([0, MASKED]).toContain(value + 0);
    return value + 0 === 0;
  });
}

/** Rows of ones and zeros, and of rising numbers. */
const rowMasks = (batch: number, length: number, padded: boolean, segmented: boolean) =>
  fc.record({
    attention: padded
      ? fc.array(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: length, maxLength: length }), {
          minLength: batch,
          maxLength: batch,
        })
      : fc.constant(undefined),
    segments: segmented
      ? fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: length, maxLength: length }), {
          minLength: batch,
          maxLength: batch,
        })
      : fc.constant(undefined),
  });

const upload = ({ attention, segments }: { attention?: number[][]; segments?: number[][] }) => ({
  ...(attention && { attention: tf.tensor2d(attention, undefined, 'int32') }),
  ...(segments && { segments: tf.tensor2d(segments, undefined, 'int32') }),
});

const cases = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    length: fc.integer({ min: 1, max: 7 }),
    window: fc.integer({ min: 1, max: 8 }),
    padded: fc.boolean(),
    segmented: fc.boolean(),
    causal: fc.boolean(),
    rule: fc.constantFrom('strict' as const, 'inclusive' as const),
  })
  .chain((sizes) =>
    fc.record({
      sizes: fc.constant(sizes),
      own: rowMasks(sizes.batch, sizes.length, sizes.padded, sizes.segmented),
      other: rowMasks(sizes.batch, sizes.length + 1, sizes.padded, sizes.segmented),
    }),
  );

describe('masks as data', () => {
  test('they say the same as the masks that are added to scores', () => {
    fc.assert(
      fc.property(cases, ({ sizes: { batch, length, window, rule, causal }, own, other }) =>
        tf.tidy(() => {
          const [mine, theirs] = [upload(own), upload(other)];
          const pairs: [AttentionMask, tf.Tensor | undefined, number][] = [];
          const direction = causal ? 'causal' : 'bidirectional';
          const sides = [encoderSpans(length, window, rule, direction), decoderSpans(length, window)];
          for (const spans of sides)
            for (const kind of ['full_attention', 'sliding_attention'] as const)
              pairs.push([sideRules(spans, mine)[kind], sideMasks(spans, length, mine)[kind], length]);
          pairs.push([crossRule(theirs, mine), crossMask(theirs, mine), length + 1]);
          for (const [data, added, keys] of pairs)
            expect(seen(additiveMask(data, block(length, keys)), batch, length, keys)).toEqual(
              seen(added, batch, length, keys),
            );
        }),
      ),
      { numRuns: 60 },
    );
  });

  test('the keys in reach of a block are all that its queries can see', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 25 }),
        fc.integer({ min: 0, max: 25 }),
        fc.nat({ max: 19 }),
        (length, ahead, behind, at) => {
          const first = at % length;
          const count = Math.min(4, length - first);
          const { firstKey, keys } = keysInReach({ span: { ahead, behind } }, first, count, length);
          expect(firstKey).toBeGreaterThanOrEqual(0);
          expect(firstKey + keys).toBeLessThanOrEqual(length);
          for (let i = first; i < first + count; i++)
            for (let j = 0; j < length; j++)
              if (i - j <= behind && j - i <= ahead) expect(j >= firstKey && j < firstKey + keys).toBe(true);
        },
      ),
    );
  });
});

const SIDE = { heads: 4, keyValueHeads: 2, headDim: 8, attentionSoftCap: 50 } as SideConfig;
const [BATCH, LENGTH] = [2, 11];

describe('attention in blocks of queries', () => {
  const numbers = (fn: (row: number, at: number) => number): tf.Tensor =>
    tf.tensor2d(
      Int32Array.from({ length: BATCH * LENGTH }, (_, i) => fn(Math.floor(i / LENGTH), i % LENGTH)),
      [BATCH, LENGTH],
      'int32',
    );

  test.each<[string, () => AttentionMask, number | null]>([
    ['all keys', () => ({}), 50],
    ['a causal window', () => ({ span: { ahead: 0, behind: 3 } }), 50],
    ['a window in both directions without a cap', () => ({ span: { ahead: 2, behind: 2 } }), null],
    ['padding', () => ({ keyNumbers: numbers((row, at) => (at < LENGTH - 2 - row ? 1 : 0)) }), 50],
    [
      'packed segments, causal',
      () => {
        const segments = numbers((row, at) => Math.floor(at / (3 + row)));
        return { span: { ahead: 0, behind: Infinity }, keyNumbers: segments, queryNumbers: segments };
      },
      50,
    ],
  ])('values and gradients are those with the whole matrix: %s', (_, make, cap) => {
    tf.tidy(() => {
      const side = { ...SIDE, attentionSoftCap: cap };
      const draw = (i: number, shape: number[]): tf.Tensor => random.normal(random.key(i), shape, 0, 1);
      const given = {
        queries: tf.mul(draw(0, [BATCH, LENGTH, 4, 8]), 1 / (cap ?? 1)),
        keys: draw(1, [BATCH, 2, LENGTH, 8]),
        values: draw(2, [BATCH, 2, LENGTH, 8]),
      };
      const weights = draw(3, [BATCH * LENGTH, 32]);
      const mask = make();
      const run = (inBlocks: boolean) => {
        const fn = engine.jit((own: Record<string, tf.Tensor>, w: tf.Tensor, masks: AttentionMask) =>
          valueAndGradients(({ queries, keys, values }) => {
            const way = inBlocks ? blocked(masks, 4) : whole(additiveMask(masks, block(LENGTH)));
            const rows = way.rows(side, queries, { keys, values });
            return { loss: tf.sum(tf.mul(rows, w)) as tf.Scalar, auxiliary: { rows } };
          }, own),
        );
        return fn(given, weights, mask as Parameters<typeof fn>[2]);
      };
      const [parts, all] = [run(true), run(false)];
      const compare = (got: tf.Tensor, expected: tf.Tensor): void => {
        const [a, b] = [got.dataSync(), expected.dataSync()];
        const scale = Math.max(...b.map(Math.abs));
        expect(scale).toBeGreaterThan(1e-3);
        expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]))) / scale).toBeLessThan(2e-6);
      };
      compare((parts.auxiliary as { rows: tf.Tensor }).rows, (all.auxiliary as { rows: tf.Tensor }).rows);
      for (const name of Object.keys(given)) compare(parts.gradients[name], all.gradients[name]);
    });
  });

  test('they need less memory than the whole matrix', () => {
    const temporary = (inBlocks: boolean): number => {
      let bytes = 0;
      const length = 256;
      const fn = engine.jit(
        (own: Record<string, tf.Tensor>) =>
          valueAndGradients(({ queries, keys, values }) => {
            const way = inBlocks ? blocked({}, 32) : whole(undefined);
            return { loss: tf.sum(way.rows(SIDE, queries, { keys, values })) as tf.Scalar, auxiliary: {} };
          }, own).loss,
        { onTrace: ({ temporaryBytes }) => (bytes = temporaryBytes) },
      );
      tf.tidy(() => {
        const zeros = (...shape: number[]): tf.Tensor => tf.zeros(shape);
        fn({ queries: zeros(1, length, 4, 8), keys: zeros(1, 2, length, 8), values: zeros(1, 2, length, 8) });
      });
      return bytes;
    };
    expect(temporary(true)).toBeLessThan(temporary(false) / 3);
  });
});

describe('the choice of a method', () => {
  const sizes = (queries: number, keys = queries) => ({ batch: 1, queries, keys });

  test('auto takes blocks from 4,096 tokens on, and kernels only where a device has them', () => {
    expect(attentionMethod(SIDE, sizes(4095), {})).toBe('whole');
    expect(attentionMethod(SIDE, sizes(4096), {})).toBe('blocked');
    expect(attentionMethod(SIDE, sizes(1024, 16_384), {})).toBe('blocked');
  });

  test('what the config says counts, except where probabilities are dropped', () => {
    expect(attentionMethod(SIDE, sizes(8), { wanted: 'blocked' })).toBe('blocked');
    expect(attentionMethod(SIDE, sizes(8192), { wanted: 'whole' })).toBe('whole');
    const rates = { dropout: 0, attentionDropout: 0.1, classifierDropout: 0 };
    const dropout = { rates, key: random.key(0), batch: 1 };
    expect(attentionMethod(SIDE, sizes(8192), { wanted: 'fused', dropout })).toBe('whole');
    dropout.key.dispose();
  });
});
