import { createRandom, fillParameters, silentLogger, type Logger } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { ODD_SIDE, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { LoadInitializer, loadOptions } from './load-initializer';
import { loadModel } from './load-model';
import { GemmaModel } from '../model/model';
import { modelOptions, resolveModelConfig } from '../model/model-options';

const TABLES = ['encoder', 'decoder'].map((side) => `model.${side}.embed_tokens.weight`);

describe('loadModel', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  it('widens bfloat16 and names tensors that it does not know; a stored copy of the tied output is none', async () => {
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

  it('says what a checkpoint lacks or has in another shape, and frees what it had read', async () => {
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

  it('reads a checkpoint with one table into a model with two', async () => {
    const folder = await writeTiny(join(temporaryFolder(), 'model'), {
      config: tinyGemma({ tieEncoderEmbedding: true }).config,
    });
    const { parameters, dispose } = await loadModel(folder, { tieEncoderEmbedding: false });
    const [encoder, decoder] = TABLES.map((name) => Array.from(parameters[name].dataSync()));
    expect(encoder).toEqual(decoder);
    dispose();
  });

  it('refuses to make one table of two that differ', async () => {
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

  it('gives the model of the folder, and tells of tensors it has no use for', async () => {
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

  it('refuses a model of another size', async () => {
    const folder = await writeTiny(join(temporaryFolder(), 'model'), { config: tinyGemma().config });
    const other = tinyGemma({ decoder: { ...ODD_SIDE, hidden: 22 } });
    await expect(fillParameters(other, initializer(folder), createRandom(0))).rejects.toThrow(
      /does not hold this model/,
    );
  });
});
