import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '@graft/core';
import { temporaryFolder } from '../support';
import { fixture } from './reference';
import { AdaptSources } from '../../plugins/gemma/src/adapt/sources';
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
  ['widths', { hidden_size: 2 ** 24 }],
  ['feed-forward widths', { intermediate_size: 2 ** 24 }],
  ['vocabulary sizes', { vocab_size: 2 ** 28 }],
  ['heads', { num_attention_heads: 65_536 }],
  ['head dimensions', { head_dim: 65_536 }],
  ['ties of the output', { tie_word_embeddings: false }],
];

describe('a config.json that the tensors contradict', () => {
  const refused = {
    code: 'checkpoint.mismatch',
    message: expect.stringMatching(/"(model|lm_head)\.[\w.]+"/) as string,
  };

  it.each(ofDecoder)('wrong %s of a decoder-only model are refused before allocation', async (_, change) => {
    const path = changed('gemma2-tiny', change);
    await expect(loadModel(path)).rejects.toMatchObject(refused);
    await expect(new LoadInitializer({ path }, silentLogger()).checkpointConfig()).rejects.toMatchObject(refused);
    await expect(AdaptSources.open(path)).rejects.toMatchObject(refused);
    await expect(AdaptSources.open(fixture('gemma2-tiny')!, path)).rejects.toMatchObject({
      code: expect.stringMatching(/^(checkpoint\.mismatch|gemma\.vocabulary)$/) as string,
    });
  });

  it.each(['encoder', 'decoder'] as const)('wrong layers of the %s are refused before allocation', async (side) => {
    const path = changed('t5gemma-tiny-balanced', { num_hidden_layers: 4096, layer_types: null }, side);
    await expect(loadModel(path)).rejects.toMatchObject(refused);
    await expect(new LoadInitializer({ path }, silentLogger()).checkpointConfig()).rejects.toMatchObject(refused);
  });

  it('a wrong width of an encoder alone is refused before allocation', async () => {
    const path = changed('seqcls-enconly', { hidden_size: 1024 }, 'encoder');
    await expect(loadAnyModel(path)).rejects.toMatchObject({ code: 'checkpoint.mismatch' });
    await expect(new LoadInitializer({ path }, silentLogger()).checkpointConfig()).rejects.toMatchObject({
      code: 'checkpoint.mismatch',
    });
  });

  it('a config.json that the tensors confirm is accepted', async () => {
    for (const name of ['gemma2-tiny', 't5gemma-tiny-balanced', 'seqcls-encdec', 'seqcls-enconly'])
      await expect(
        new LoadInitializer({ path: fixture(name)! }, silentLogger()).checkpointConfig(),
      ).resolves.toHaveProperty('model_type');
  });
});
