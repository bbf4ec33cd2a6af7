import { CacheBuffer } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { describeNative, worstDifference } from '@graft/test-support';
import { numbers, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import { foldCache, RECENT_TOKENS, type Cache } from './decoder-cache';
import { continueDecoding, encodeSource, startDecoding, type FixedState } from './decoding';

const BATCH = 8;
const TOKENS = 40;
const TOLERANCE = 2e-4;

/** int32 [rows, length] */
const ids = (seed: number, rows: number, length: number): tf.Tensor2D =>
  tf.tensor2d(
    numbers(seed, rows * length).map((value) => 3 + Math.floor(((value + 1) / 2) * 33)),
    [rows, length],
    'int32',
  );

/** 0 for the first `hidden(row)` places of each row. */
const maskOf = (rows: number, length: number, hidden: (row: number) => number): tf.Tensor2D =>
  tf.tensor2d(
    Array.from({ length: rows }, (_, row) => Array.from({ length }, (__, at) => (at < hidden(row) ? 0 : 1))),
    [rows, length],
    'int32',
  );

describeNative('keys that are stored transposed', () => {
  // Tensors belong to the engine that is open when they are made.
  beforeAll(async () => {
    await openEngine({ mode: 'graph' });
  });

  test.each([
    // heads, key/value heads, head dimension, source, prompt, masked; which keys are transposed
    [4, 4, 64, 275, 280, true, ['cross_attn.0.transposedKeys', 'transposedKeys.0']],
    [4, 4, 64, 275, 3, false, ['cross_attn.0.transposedKeys']],
    [4, 4, 64, 288, 3, false, ['cross_attn.0.transposedKeys']],
    [4, 2, 128, 530, 3, true, ['cross_attn.0.transposedKeys']],
  ] as const)(
    '%i heads with %i key/value heads of %i, source %i, prompt %i, masked %s: the logits equal those of plain keys',
    async (heads, keyValueHeads, headDim, sourceLength, promptLength, masked, transposed) => {
      const side = { layers: 2, hidden: 32, feedForward: 24, heads, keyValueHeads, headDim, slidingWindow: 400 };
      const model = tinyGemma({ encoder: side, decoder: side });
      const parameters = tinyParameters(model);
      const capacity = promptLength + TOKENS;
      // A source that is masked whole, too (quirk 3).
      const source = {
        input_ids: ids(1, BATCH, sourceLength),
        ...(masked && { attention_mask: maskOf(BATCH, sourceLength, (row) => [0, sourceLength, 7][row % 3]) }),
      };
      const prompt = ids(2, BATCH, promptLength);
      const promptMask = masked ? maskOf(BATCH, promptLength, (row) => row % 3) : undefined;
      const fed = ids(3, TOKENS, BATCH);

      const run = async (mode: 'xla' | 'graph'): Promise<{ logits: Float32Array[]; names: string[] }> => {
        const engine = await openEngine({ mode });
        const cacheBuffer = new CacheBuffer(engine, { every: RECENT_TOKENS, fold: foldCache });
        const start = engine.jit(() =>
          startDecoding(model, parameters, prompt, promptMask, encodeSource(model, parameters, source), capacity),
        );
        const step = engine.jit((token: tf.Tensor, position: tf.Scalar, fixed: FixedState, cache: Cache) => {
          const { states, recent } = continueDecoding(model, parameters, token, position, fixed, cache, capacity);
          return { logits: model.logits(parameters, states), recent };
        });
        const started = start();
        const names = [...Object.keys(started.fixed), ...Object.keys(started.cache.long)];
        const logits: Float32Array[] = [];
        let { cache } = started;
        for (let i = 0; i < TOKENS; i++) {
          const at = promptLength + i;
          const token = tf.reshape(tf.slice(fed, [i, 0], [1, BATCH]), [BATCH]);
          const next = step(token, tf.scalar(at, 'int32'), started.fixed, cache);
          logits.push(next.logits.dataSync() as Float32Array);
          cache = await cacheBuffer.advance({ long: cache.long, recent: next.recent }, at);
        }
        for (const owner of [start, step, cacheBuffer]) owner.dispose();
        return { logits, names };
      };
      const [plain, xla] = [await run('graph'), await run('xla')];
      expect(plain.names.filter((name) => /transposed/.test(name))).toEqual([]);
      expect(xla.names.filter((name) => /transposed.*\.0|\.0\.transposed/.test(name))).toEqual(transposed);
      plain.logits.forEach((values, i) => expect(worstDifference(xla.logits[i], values)).toBeLessThan(TOLERANCE));
      tf.dispose([parameters, source, prompt, fed] as tf.TensorContainer);
    },
  );
});
