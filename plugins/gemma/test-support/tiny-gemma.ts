import type { HostArray } from '@graft/core';
import { tf } from '@graft/engine';
import { GemmaModel, modelOptions, resolveModelConfig, toCheckpointConfig, type GemmaConfig } from '@graft/gemma';
import { writeCheckpoint } from '@graft/checkpoint';

/** No size is a power of two or divides another by accident: odd layers, one key head, a window of 5. */
export const ODD_SIDE = {
  layers: 3,
  hidden: 20,
  feedForward: 26,
  heads: 3,
  keyValueHeads: 1,
  headDim: 6,
  slidingWindow: 5,
};

/** A small model; options as in a config's `model:` section. */
export function tinyGemma(options: object = {}): GemmaModel {
  return new GemmaModel(resolveModelConfig(modelOptions.parse({ vocabularySize: 37, decoder: ODD_SIDE, ...options })));
}

/** Numbers in [-1, 1) that depend only on the seed (Lehmer's generator). */
export function numbers(seed: number, count: number): Float32Array {
  let state = (seed * 7919 + 17) % 2147483647;
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 2 - 1;
  });
}

/**
 * Parameters large enough for every mask and cap to have an effect. Final norms get gains around 0: with gains near 1 a
 * random tied model repeats its input token, and generation would test nothing. The caller disposes them.
 */
export function tinyParameters(model: GemmaModel, seed = 1): Record<string, tf.Tensor> {
  return Object.fromEntries(
    model.parameters.map(({ name, shape, initial }, i) => {
      const values = numbers(
        seed + i,
        shape.reduce((product, size) => product * size, 1),
      );
      const final = /^model\.(\w+\.)?norm\.weight$/.test(name);
      return [
        name,
        tf.tensor(
          values.map((value) => (final ? 1.5 * value - 1 : value * (initial === 'zeros' ? 0.3 : 0.6))),
          [...shape],
        ),
      ];
    }),
  );
}

export function ints(rows: readonly (readonly number[])[]): HostArray {
  return { dtype: 'int32', shape: [rows.length, rows[0].length], values: Int32Array.from(rows.flat()) };
}

/** Writes a model with such parameters as a Hugging Face folder, and returns its path. */
export async function writeTiny(
  folder: string,
  options: { config: GemmaConfig; seed?: number; dtype?: 'F32' | 'BF16'; extra?: Record<string, readonly number[]> },
): Promise<string> {
  const { config, seed = 1, dtype = 'F32', extra = {} } = options;
  const model = new GemmaModel(config);
  const specs = [...model.parameters, ...Object.entries(extra).map(([name, shape]) => ({ name, shape }))];
  await writeCheckpoint(folder, {
    config: toCheckpointConfig(config, dtype === 'F32' ? 'float32' : 'bfloat16'),
    tensors: specs.map(({ name, shape }, i) => {
      const values = numbers(
        seed + i,
        shape.reduce((product, size) => product * size, 1),
      );
      // The upper halves of float32 are bfloat16.
      const bytes =
        dtype === 'F32'
          ? values
          : new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer);
      return { name, dtype, shape, data: () => bytes };
    }),
  });
  return folder;
}
