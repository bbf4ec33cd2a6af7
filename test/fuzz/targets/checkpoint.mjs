import { CheckpointReader, readRecord, verifyCheckpoint } from '@graft/checkpoint';
import {
  checkTensors,
  gemmaOf,
  GemmaModel,
  modelOptions,
  readGenerationConfig,
  readModelConfig,
  resolveModelConfig,
  toCheckpointConfig,
} from '@graft/gemma';
import { problemOfSafetensors, safetensors } from './safetensors.mjs';
import { json, Wrong } from './support.mjs';

const SIDE = { layers: 2, hidden: 8, feedForward: 12, heads: 2, keyValueHeads: 1, headDim: 4 };

/** A checkpoint of a small model, in one file or in two shards with an index. */
export function checkpoint(options, shards) {
  const config = resolveModelConfig(modelOptions.parse({ vocabularySize: 12, decoder: SIDE, ...options }));
  const tensors = new GemmaModel(config).parameters.map(({ name, shape }) => [name, 'BF16', [...shape]]);
  const files = {
    'config.json': json(toCheckpointConfig(config, 'float32')),
    'generation_config.json': json({
      eos_token_id: [1, 3],
      bos_token_id: 2,
      pad_token_id: 0,
      temperature: 0.7,
      top_k: 5,
      do_sample: true,
    }),
    'graft.json': json({
      specialTokens: { bos: { encoder: true, decoder: true }, appendEos: true },
      objective: { use: 'ul2' },
    }),
  };
  if (!shards) return { ...files, 'model.safetensors': safetensors(tensors, { format: 'pt' }) };
  const half = tensors.length >> 1;
  const parts = [tensors.slice(0, half), tensors.slice(half)];
  const names = parts.map((_, i) => `model-0000${i + 1}-of-00002.safetensors`);
  const total = 2 * tensors.reduce((sum, [, , shape]) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const places = parts.flatMap((part, i) => part.map(([name]) => [name, names[i]]));
  return {
    ...files,
    'model.safetensors.index.json': json({ metadata: { total_size: total }, weight_map: Object.fromEntries(places) }),
    ...Object.fromEntries(parts.map((part, i) => [names[i], safetensors(part)])),
  };
}

export default {
  what: 'checkpoint folders: config.json, generation_config.json, graft.json, index and shards',
  seeds: async () => [
    checkpoint({ kind: 'decoder-only' }),
    checkpoint({ kind: 'encoder-decoder' }, true),
    checkpoint({ kind: 'encoder-decoder', encoder: { ...SIDE, hidden: 16, headDim: 8 } }),
  ],
  async check(folder, files) {
    const reader = await CheckpointReader.open(folder);
    let model;
    try {
      const config = readModelConfig(await reader.config(), {}, `${folder}/config.json`);
      const generation = await readGenerationConfig(reader, config);
      model = gemmaOf(config, generation?.json, generation?.where);
      await checkTensors(model, reader);
    } finally {
      await reader.close();
    }
    await readRecord(folder);
    await verifyCheckpoint(folder);
    const used = new Set([...reader.tensors.values()].map(({ file }) => file.slice(folder.length + 1)));
    for (const name of used) {
      const problem = problemOfSafetensors(files[name]);
      if (problem !== undefined) throw new Wrong(`accepted, though of ${name} ${problem}`);
    }
    const wanted = model.parameters.reduce(
      (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    );
    const bytes = [...reader.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (wanted > bytes) throw new Wrong(`accepted, though the model has ${wanted} numbers in ${bytes} bytes`);
  },
};
