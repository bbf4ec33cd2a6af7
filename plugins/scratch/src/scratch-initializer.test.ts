import { createRandom, type Model, type RandomStream } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { GemmaModel, modelOptions, resolveModelConfig } from '@graft/gemma';
import { SCRATCH_SIZES } from './presets';
import { ScratchInitializer, scratchOptions } from './scratch-initializer';

const side = { layers: 2, hidden: 16, feedForward: 24, heads: 2, keyValueHeads: 1, headDim: 8 };
const gemma = (options: object): GemmaModel =>
  new GemmaModel(resolveModelConfig(modelOptions.parse({ vocabularySize: 20, ...options })));

async function draw(model: Model, random: RandomStream, options: object = {}): Promise<Map<string, number[]>> {
  const initializer = new ScratchInitializer(scratchOptions.parse(options));
  const drawn = new Map<string, number[]>();
  for await (const [name, tensor] of initializer.parameters(model, random)) {
    drawn.set(name, Array.from(await tensor.data()));
    tensor.dispose();
  }
  return drawn;
}

describe('the initializer scratch', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  it.each([{ kind: 'decoder-only', decoder: side }, { decoder: side }, { decoder: side, tieEncoderEmbedding: true }])(
    'every parameter of %j gets values, and no tensor is left over',
    async (options) => {
      const model = gemma(options);
      const before = tf.memory().numTensors;
      const drawn = await draw(model, createRandom(1));
      expect([...drawn.keys()]).toEqual(model.parameters.map(({ name }) => name));
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it('matrices have the given standard deviation, and norms begin at gain 1', async () => {
    const drawn = await draw(gemma({ decoder: side, vocabularySize: 1200 }), createRandom(1), { std: 0.05 });
    const table = drawn.get('model.encoder.embed_tokens.weight')!;
    const mean = table.reduce((sum, value) => sum + value, 0) / table.length;
    const std = Math.sqrt(table.reduce((sum, value) => sum + (value - mean) ** 2, 0) / table.length);
    // 19,200 numbers: the mean's own deviation is 0.00036, the deviation's 0.00026.
    expect(Math.abs(mean)).toBeLessThan(0.0015);
    expect(std).toBeGreaterThan(0.0485);
    expect(std).toBeLessThan(0.0515);
    expect(new Set(drawn.get('model.decoder.norm.weight'))).toEqual(new Set([0]));
  });

  it('equal seeds give equal numbers, other seeds give others, and more layers change none of them', async () => {
    const name = 'model.decoder.layers.1.cross_attn.k_proj.weight';
    const first = (await draw(gemma({ decoder: side }), createRandom(1))).get(name);
    expect((await draw(gemma({ decoder: { ...side, layers: 3 } }), createRandom(1))).get(name)).toEqual(first);
    expect((await draw(gemma({ decoder: side }), createRandom(2))).get(name)).not.toEqual(first);
  });

  it("the sizes are those of the model family's presets", () => {
    expect(resolveModelConfig(modelOptions.parse({ preset: 'ML' })).decoder).toMatchObject(SCRATCH_SIZES.ml);
  });
});
