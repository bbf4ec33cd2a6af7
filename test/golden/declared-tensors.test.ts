import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '@graft/core';
import { temporaryFolder } from '../support';
import { fixture } from './reference';
import { AdaptSources } from '../../plugins/gemma/src/adapt/plan';
import { LoadInitializer, loadAnyModel, loadModel } from '@graft/gemma';

/** A copy of a checkpoint whose config.json says something else. */
function changed(name: string, change: object, section?: 'encoder' | 'decoder'): string {
  const folder = join(temporaryFolder(), name);
  cpSync(fixture(name)!, folder, { recursive: true });
  const file = join(folder, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>;
  writeFileSync(
    file,
    JSON.stringify(section ? { ...config, [section]: { ...config[section], ...change } } : { ...config, ...change }),
  );
  return folder;
}

const ofDecoder: [string, object][] = [
  ['layers', { num_hidden_layers: 4096, layer_types: null }],
  ['a width', { hidden_size: 2 ** 24 }],
  ['a feed-forward', { intermediate_size: 2 ** 24 }],
  ['a vocabulary', { vocab_size: 2 ** 28 }],
  ['heads', { num_attention_heads: 65_536 }],
  ['a head dimension', { head_dim: 65_536 }],
  ['an output of its own', { tie_word_embeddings: false }],
];

describe('a config.json that the tensors contradict is refused before anything is made', () => {
  const refused = {
    code: 'gemma.checkpoint-mismatch',
    message: expect.stringMatching(/"(model|lm_head)\.[\w.]+"/) as string,
  };

  it.each(ofDecoder)('of a decoder alone: %s', async (_, change) => {
    const path = changed('gemma2-tiny', change);
    await expect(loadModel(path)).rejects.toMatchObject(refused);
    await expect(new LoadInitializer({ path }, silentLogger()).checkpointConfig()).rejects.toMatchObject(refused);
    await expect(AdaptSources.open(path)).rejects.toMatchObject(refused);
    await expect(AdaptSources.open(fixture('gemma2-tiny')!, path)).rejects.toMatchObject({
      code: expect.stringMatching(/^gemma\.(checkpoint-mismatch|vocabulary)$/) as string,
    });
  });

  it.each(['encoder', 'decoder'] as const)('of an %s', async (side) => {
    const path = changed('t5gemma-tiny-balanced', { num_hidden_layers: 4096, layer_types: null }, side);
    await expect(loadModel(path)).rejects.toMatchObject(refused);
    await expect(new LoadInitializer({ path }, silentLogger()).checkpointConfig()).rejects.toMatchObject(refused);
  });

  it('of an encoder alone', async () => {
    const path = changed('seqcls-enconly', { hidden_size: 1024 }, 'encoder');
    await expect(loadAnyModel(path)).rejects.toMatchObject({ code: 'gemma.checkpoint-mismatch' });
    await expect(new LoadInitializer({ path }, silentLogger()).checkpointConfig()).rejects.toMatchObject({
      code: 'gemma.checkpoint-mismatch',
    });
  });

  it('and what they confirm is taken', async () => {
    for (const name of ['gemma2-tiny', 't5gemma-tiny-balanced', 'seqcls-encdec', 'seqcls-enconly'])
      await expect(
        new LoadInitializer({ path: fixture(name)! }, silentLogger()).checkpointConfig(),
      ).resolves.toHaveProperty('model_type');
  });
});
