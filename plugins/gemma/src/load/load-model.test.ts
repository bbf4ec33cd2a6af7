import { createRandom, fillParameters, silentLogger, type Logger } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { ODD_SIDE, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { LoadInitializer, loadOptions } from './load-initializer';
import { loadModel } from './load-model';
import { GemmaModel } from '../model/model';
import { modelOptions } from '../model/model-options';
import { resolveModelConfig } from '../model/resolve-options';

const TABLES = ['encoder', 'decoder'].map((side) => `model.${side}.embed_tokens.weight`);

describe('loadModel', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  it('bfloat16 becomes float32, and unknown tensors are named, except a stored copy of the tied output', async () => {
    const extra = { 'lm_head.weight': [37, 20], 'vision.weight': [3] };
    const folder = await writeTiny(join(temporaryFolder(), 'model'), {
      config: tinyGemma({ kind: 'decoder-only' }).config,
      dtype: 'BF16',
      extra,
    });
    const before = tf.memory().numTensors;
    const { model, parameters, unknownTensors, dispose } = await loadModel(folder);
    expect(unknownTensors).toEqual(['vision.weight']);
    expect(Object.keys(parameters)).toEqual(model.parameters.map(({ name }) => name));
    expect(parameters['model.norm.weight'].dtype).toBe('float32');
    dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('missing tensors and wrong shapes are reported, and the tensors read so far are freed', async () => {
    const { config } = tinyGemma();
    const folder = await writeTiny(join(temporaryFolder(), 'model'), { config });
    const json = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { decoder: object };
    writeFileSync(
      join(folder, 'config.json'),
      JSON.stringify({
        ...json,
        decoder: { ...json.decoder, intermediate_size: 27, num_hidden_layers: 4, layer_types: null },
      }),
    );
    const before = tf.memory().numTensors;
    await expect(loadModel(folder)).rejects.toThrow(/shape \[26, 20\], but the model's is \[27, 20\].*and \d+ more/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a checkpoint with one table is read into a model with two', async () => {
    const folder = await writeTiny(join(temporaryFolder(), 'model'), {
      config: tinyGemma({ tieEncoderEmbedding: true }).config,
    });
    const { parameters, dispose } = await loadModel(folder, { tieEncoderEmbedding: false });
    const [encoder, decoder] = TABLES.map((name) => Array.from(parameters[name].dataSync()));
    expect(encoder).toEqual(decoder);
    dispose();
  });

  it('two tables that differ are not merged into one', async () => {
    const folder = await writeTiny(join(temporaryFolder(), 'model'), { config: tinyGemma().config });
    await expect(loadModel(folder, { tieEncoderEmbedding: true })).rejects.toThrow(
      /asks for one embedding table, but .* differ/,
    );
  });
});

describe('the initializer load', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  const initializer = (path: string, logger: Logger = silentLogger()): LoadInitializer =>
    new LoadInitializer(loadOptions.parse({ path }), logger);

  it('the initializer provides the model of the folder and warns about unused tensors', async () => {
    const { config } = tinyGemma();
    const folder = await writeTiny(join(temporaryFolder(), 'model'), { config, extra: { 'vision.weight': [3] } });
    const notes: string[] = [];
    const load = initializer(folder, { warn: (message: string) => notes.push(message) } as unknown as Logger);
    const model = new GemmaModel(resolveModelConfig(modelOptions.parse({}), await load.checkpointConfig()));
    expect(model.config).toEqual(config);
    const parameters = await fillParameters(model, load, createRandom(0));
    expect(notes).toEqual([expect.stringMatching(/1 tensors that the model has no use for: vision\.weight/)]);
    tf.dispose(parameters);
  });

  it('a model of another size is refused', async () => {
    const folder = await writeTiny(join(temporaryFolder(), 'model'), { config: tinyGemma().config });
    const other = tinyGemma({ decoder: { ...ODD_SIDE, hidden: 22 } });
    await expect(fillParameters(other, initializer(folder), createRandom(0))).rejects.toThrow(
      /does not hold this model/,
    );
  });
});
