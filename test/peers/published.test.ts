import { readHostTensors, writeCheckpoint, writeHostTensors, type HostTensor } from '@graft/checkpoint';
import { createRandom, fillParameters, type HostArray, type HostFields, type Parameters } from '@graft/core';
import { cacheFolder, openEngine, tf, type Engine } from '@graft/engine';
import { adaptCheckpoint, GemmaModel, loadModel, modelOptions, resolveModelConfig, runForward } from '@graft/gemma';
import { ScratchInitializer, scratchOptions } from '@graft/scratch';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { fixture } from '../golden/reference';

const PYTHON = join(process.env.GRAFT_PEERS_VENV ?? join(cacheFolder(), 'peers-venv'), 'bin', 'python');
const isThere =
  existsSync(PYTHON) &&
  spawnSync(PYTHON, ['-c', 'import torch, transformers, safetensors'], { stdio: 'ignore' }).status === 0;

const random = createRandom(7);
const ids = (rows: number, length: number): HostArray => ({
  dtype: 'int32',
  shape: [rows, length],
  values: Int32Array.from({ length: rows * length }, () => 3 + random.integer(90)),
});
/** 1 for the first `lengths[row]` tokens of a row. */
const mask = (lengths: readonly number[], length: number): HostArray => ({
  dtype: 'int32',
  shape: [lengths.length, length],
  values: Int32Array.from(lengths.flatMap((own) => Array.from({ length }, (_, i) => Number(i < own)))),
});

describeIf(isThere, "the published implementation is not installed; `npm run test:peers` does it", 'what Graft writes, the published implementation reads', () => {
  let engine: Engine;
  const base = temporaryFolder();
  beforeAll(async () => {
    engine = await openEngine();
  });

  /** Largest difference of the two implementations' logits at positions that are no padding. */
  async function difference(folder: string, inputs: HostFields, seen: HostArray): Promise<number> {
    const [given, said] = [join(base, 'inputs.safetensors'), join(base, 'logits.safetensors')];
    await writeHostTensors(given, inputs as Record<string, HostTensor>);
    const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'logits.py'), folder, given, said], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    const theirs = (await readHostTensors(said)).logits;
    const loaded = await loadModel(folder, { encoderWindow: 'inclusive' });
    const { logits } = await runForward({ engine, model: loaded.model, parameters: loaded.parameters, inputs });
    loaded.dispose();
    expect(logits.shape).toEqual(theirs.shape);
    const vocabulary = logits.shape[2];
    let largest = 0;
    logits.values.forEach((value, i) => {
      if (seen.values[Math.floor(i / vocabulary)] === 0) return;
      const own = Math.abs(value - theirs.values[i]);
      largest = Number.isNaN(own) ? Infinity : Math.max(largest, own);
    });
    return largest;
  }

  const encoderDecoderInputs = (): HostFields => ({
    input_ids: ids(3, 20),
    attention_mask: mask([20, 11, 3], 20),
    decoder_input_ids: ids(3, 9),
    decoder_attention_mask: mask([9, 9, 5], 9),
  });

  test('a balanced pair adapted from a published checkpoint', async () => {
    const out = join(base, 'balanced');
    await adaptCheckpoint({ encoder: fixture('gemma2-tiny')!, out });
    const inputs = encoderDecoderInputs();
    expect(await difference(out, inputs, inputs.decoder_attention_mask)).toBeLessThan(1e-4);
  });

  test('an unbalanced pair from scratch, in shards', async () => {
    const side = { layers: 3, hidden: 24, feedForward: 40, heads: 4, keyValueHeads: 2, headDim: 8, slidingWindow: 6 };
    const config = resolveModelConfig(
      modelOptions.parse({ vocabularySize: 96, encoder: side, decoder: { ...side, layers: 2, hidden: 32, heads: 2 } }),
    );
    const out = join(base, 'unbalanced');
    await writeScratch(out, config, 20_000);
    expect(existsSync(join(out, 'model.safetensors.index.json'))).toBe(true);
    const inputs = encoderDecoderInputs();
    expect(await difference(out, inputs, inputs.decoder_attention_mask)).toBeLessThan(1e-4);
  });

  test('a decoder-only model', async () => {
    const decoder = { layers: 3, hidden: 24, feedForward: 40, heads: 4, keyValueHeads: 1, headDim: 6, slidingWindow: 4 };
    const config = resolveModelConfig(modelOptions.parse({ kind: 'decoder-only', vocabularySize: 96, decoder }));
    const out = join(base, 'decoder-only');
    await writeScratch(out, config);
    const seen = mask([17, 8], 17);
    expect(await difference(out, { input_ids: ids(2, 17), attention_mask: seen }, seen)).toBeLessThan(1e-4);
  });

  async function writeScratch(folder: string, config: GemmaModel['config'], maxShardBytes?: number): Promise<void> {
    const model = new GemmaModel(config);
    const initializer = new ScratchInitializer(scratchOptions.parse({ std: 0.3 }));
    const parameters: Parameters = await fillParameters(model, initializer, createRandom(1));
    await writeCheckpoint(folder, {
      config: model.checkpointConfig,
      maxShardBytes,
      tensors: model.parameters.map(({ name, shape }) => ({
        name,
        dtype: 'F32',
        shape,
        data: async () => (await parameters[name].data()) as Float32Array,
      })),
    });
    tf.dispose(parameters);
  }
});
