import { CacheBuffer, checkCacheMemory, DataError, runForward, type HostFields, type Parameters } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { ints, numbers, ODD_SIDE, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import { cacheBytes, foldCache, RECENT_TOKENS } from './decoder-cache';
import { continueDecoding, encodeSource, startDecoding } from './decoding';
import type { GemmaModel } from '../model/model';

const TOLERANCE = 2e-4;
const ROWS = 2;

/** Token ids of two rows, and the same for every call. */
const idsOf = (length: number): number[][] =>
  Array.from({ length: ROWS }, (_, row) =>
    Array.from(numbers(row + 3, length), (value) => 3 + Math.floor(((value + 1) / 2) * 33)),
  );

describe('the cache of the decoder', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  /** Logits [row][position] of all positions after the prompt, token by token through the cache. */
  async function cached(
    model: GemmaModel,
    parameters: Parameters,
    rows: number[][],
    promptLength: number,
    padding: number,
    source?: HostFields,
  ): Promise<Float32Array[]> {
    const capacity = rows[0].length;
    const cacheBuffer = new CacheBuffer(engine, { every: RECENT_TOKENS, fold: foldCache });
    const prompt = tf.tensor2d(
      rows.map((row) => row.slice(0, promptLength)),
      undefined,
      'int32',
    );
    const mask = padding
      ? tf.tensor2d(
          rows.map((_, i) => Array.from({ length: promptLength }, (__, at) => (i === 1 && at < padding ? 0 : 1))),
          undefined,
          'int32',
        )
      : undefined;
    const encoderInputs = source && {
      input_ids: tf.tensor(source.input_ids.values, [...source.input_ids.shape], 'int32'),
    };
    const started = startDecoding(
      model,
      parameters,
      prompt,
      mask,
      encoderInputs && encodeSource(model, parameters, encoderInputs),
      capacity,
    );
    const out = [model.logits(parameters, started.states).dataSync() as Float32Array];
    let { cache } = started;
    for (let at = promptLength; at < capacity; at++) {
      const { states, recent } = continueDecoding(
        model,
        parameters,
        tf.tensor1d(
          rows.map((row) => row[at]),
          'int32',
        ),
        tf.scalar(at, 'int32'),
        started.fixed,
        cache,
        capacity,
      );
      out.push(model.logits(parameters, states).dataSync() as Float32Array);
      cache = await cacheBuffer.advance({ long: cache.long, recent }, at);
      for (const [name, tensor] of Object.entries(cache.long)) {
        const sliding =
          name.endsWith('sliding_attention') ||
          model.config.decoder.layerTypes[Number(name.split('.')[1])] === 'sliding_attention';
        if (sliding)
          expect(tensor.shape[name.startsWith('mask') ? 4 : 2]).toBeLessThan(
            model.config.decoder.slidingWindow + RECENT_TOKENS,
          );
      }
    }
    cacheBuffer.dispose();
    return out;
  }

  const length = 3 * RECENT_TOKENS + 7;
  test.each([
    // window, prompt length, padded positions of the second row
    [3, 1, 0],
    [RECENT_TOKENS, 5, 2],
    [RECENT_TOKENS + 1, 16, 0],
    [RECENT_TOKENS + 2, 31, 20],
    [2 * RECENT_TOKENS + 3, 40, 3],
    [1, 33, 0],
    [1000, 17, 4],
  ])('window %i, prompt %i, padding %i: one pass gives equal logits', async (window, promptLength, padding) => {
    const model = tinyGemma({ kind: 'decoder-only', decoder: { ...ODD_SIDE, slidingWindow: window } });
    const parameters = tinyParameters(model);
    const rows = idsOf(length);
    const got = await cached(model, parameters, rows, promptLength, padding);
    const mask = rows.map((row, i) => row.map((_, at) => (i === 1 && at < padding ? 0 : 1)));
    const { logits } = await runForward({
      engine,
      model,
      parameters,
      inputs: { input_ids: ints(rows), attention_mask: ints(mask) },
    });
    const { vocabularySize } = model;
    for (let at = promptLength - 1; at < length; at++) {
      for (let row = 0; row < ROWS; row++) {
        const whole = logits.values.slice(
          (row * length + at) * vocabularySize,
          (row * length + at + 1) * vocabularySize,
        );
        const step = got[at - promptLength + 1].slice(row * vocabularySize, (row + 1) * vocabularySize);
        const difference = Math.max(...step.map((value, i) => Math.abs(value - whole[i])));
        expect(difference).toBeLessThan(TOLERANCE);
      }
    }
    tf.dispose(parameters);
  });

  test('an encoder-decoder whose source is longer than the window decodes as in one whole pass', async () => {
    const side = { ...ODD_SIDE, slidingWindow: 4 };
    const model = tinyGemma({ encoder: side, decoder: side });
    const parameters = tinyParameters(model);
    const rows = idsOf(length);
    const source: HostFields = { input_ids: ints(idsOf(23)) };
    const got = await cached(model, parameters, rows, 1, 0, source);
    const { logits } = await runForward({
      engine,
      model,
      parameters,
      inputs: { ...source, decoder_input_ids: ints(rows) },
    });
    const { vocabularySize } = model;
    for (let at = 0; at < length; at++) {
      const step = got[at];
      for (let row = 0; row < ROWS; row++) {
        for (let word = 0; word < vocabularySize; word++) {
          const whole = logits.values[(row * length + at) * vocabularySize + word];
          expect(Math.abs(step[row * vocabularySize + word] - whole)).toBeLessThan(TOLERANCE);
        }
      }
    }
    tf.dispose(parameters);
  });
});

describe('the memory of the cache', () => {
  const { decoder } = tinyGemma().config;
  const side = { ...decoder, keyValueHeads: 1, headDim: 4, layerTypes: ['full_attention'] as const };

  it('the limit counts keys and values of all positions', () => {
    // 64 positions in the long part and 16 in the recent one, 2 x 4 numbers of 4 bytes each.
    const bytes = 3 * 80 * 8 * 4;
    expect(() =>
      checkCacheMemory({ cacheBytes: (rows, capacity) => cacheBytes(side, rows, capacity) }, 3, 65, bytes),
    ).not.toThrow();
    expect(() =>
      checkCacheMemory({ cacheBytes: (rows, capacity) => cacheBytes(side, rows, capacity) }, 3, 65, bytes - 1),
    ).toThrow(/of 3 sequences of up to 65 tokens take 1 MiB of memory/);
  });

  it('a cache for a billion tokens is refused before memory is allocated', () => {
    expect(() =>
      checkCacheMemory({ cacheBytes: (rows, capacity) => cacheBytes(side, rows, capacity) }, 1, 1e9, 2 ** 30),
    ).toThrow(DataError);
  });
});
