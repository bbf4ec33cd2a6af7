import { CheckpointReader } from '@graft/checkpoint';
import { loadConfig, runExperiment } from '@graft/core';
import { plugin as gemma } from '@graft/gemma';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { plugin as text } from '@graft/text';
import { join } from 'node:path';
import { temporaryFolder } from '../support';
import { fixture } from './reference';

const config = (steps: number): object => ({
  name: 'warm-up',
  engine: 'graph',
  initializer: { use: 'load', path: fixture('t5gemma-tiny-balanced')! },
  objective: 'seq2seq',
  dataset: { use: 'tensors', file: join(fixture('train-trajectory')!, 'batches.safetensors') },
  optimizer: { use: 'adamw', learningRate: 0.001, weightDecay: 0.1 },
  train: { steps, crossAttentionWarmupSteps: 2 },
  runs: 'runs',
});

/** Names of the tensors in which two checkpoints differ. */
async function changed(a: string, b: string): Promise<string[]> {
  const [before, after] = [await CheckpointReader.open(a), await CheckpointReader.open(b)];
  const names: string[] = [];
  for (const name of before.tensors.keys()) {
    if (Buffer.compare(await before.readBytes(name), await after.readBytes(name)) !== 0) names.push(name);
  }
  await Promise.all([before.close(), after.close()]);
  return names;
}

test('only cross-attention changes during the warm-up, and everything afterwards', async () => {
  const workingFolder = temporaryFolder();
  const run = async (steps: number): Promise<string> => {
    const loaded = await loadConfig({
      value: config(steps),
      plugins: [gemma, objectives, optimizers, text],
      workingFolder,
    });
    const { folder } = await runExperiment(loaded, { quiet: true });
    return join(folder, 'checkpoints', `step-${steps}`);
  };
  const start = fixture('t5gemma-tiny-balanced')!;
  const during = await run(2);
  const warmed = await changed(start, during);
  expect(warmed.length).toBeGreaterThan(0);
  for (const name of warmed) expect(name).toContain('cross_attn');
  expect(warmed.filter((name) => name.includes('cross_attn.'))).toHaveLength(4 * 4);
  const later = await changed(during, await run(3));
  expect(later).toContain('model.encoder.layers.0.self_attn.q_proj.weight');
  expect(later).toContain('model.decoder.embed_tokens.weight');
});
