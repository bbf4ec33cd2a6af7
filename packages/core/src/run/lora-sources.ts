/** What checkpoints hold under `train.lora`. */
import {
  adapterConfigJson,
  adapterParameter,
  adapterTensors,
  type AdapterContents,
  type AdapterTask,
  type TensorSource,
} from '@graft/checkpoint';
import { ADAPTER_FOLDER, isAdapter } from '@graft/checkpoint/internal';
import type { tf } from '@graft/engine';
import { readPieces } from '@graft/engine/internal';
import { join } from 'node:path';
import type { StoredTensor } from '../distributed/optimizer-shards';
import type { Model, Parameters } from '../interfaces';
import { Adapter, namesInAdapters } from '../training/lora/adapter';
import type { LoraModel } from '../training/lora/lora-model';
import { layerOf } from '../training/lora/pairs';
import { widened, wideShape } from '../training/parameter-storage';
import { parameterSources, sources, type Reader, type Refuse } from './tensor-sources';

const TASKS: Readonly<Record<Model['kind'], AdapterTask>> = {
  'decoder-only': 'CAUSAL_LM',
  'encoder-decoder': 'SEQ_2_SEQ_LM',
  'encoder-only': 'FEATURE_EXTRACTION',
};

type Stored = Readonly<Record<string, StoredTensor>>;

/** The pairs, and what trains completely, in PEFT's layout. */
export function adapterOf(
  { base, settings, pairs, complete }: LoraModel,
  trained: Stored,
  { baseModel, refuse }: { readonly baseModel?: string; readonly refuse: Refuse },
): AdapterContents {
  const published = (name: string): string => namesInAdapters(base, name)[0];
  const source = (name: string, stored: string): TensorSource => ({
    ...sources({ [name]: wideStored(trained[name]) }, refuse)[0],
    name: stored,
  });
  const tensors = [...pairs].flatMap(([weight, names]) => {
    const stored = adapterTensors(layerOf(published(weight)));
    return [source(names.a, stored.a), source(names.b, stored.b)];
  });
  const { rank, alpha = rank, rslora, dropout } = settings;
  const config = {
    rank,
    alpha,
    rslora,
    dropout,
    targetModules: [...pairs.keys()].map((weight) => layerOf(published(weight))),
    modulesToSave: [...complete].map((name) => layerOf(published(name))),
    baseModel,
  };
  return {
    config: adapterConfigJson(config, { task: TASKS[base.kind], keepsTies: true }),
    tensors: [...tensors, ...[...complete].map((name) => source(name, adapterParameter(published(name))))],
  };
}

/** Adapters are float32: what the run keeps in bfloat16 is widened when it is written. */
const wideStored = (stored: StoredTensor): StoredTensor =>
  'fetch' in stored || stored.dtype !== 'int32'
    ? stored
    : { shape: wideShape(stored), dtype: 'float32', fetch: () => Promise.resolve(widened(stored)) };

/** The base model with the pairs merged in; `trained` are the pairs, or their moving average. */
export function mergedSources(
  model: LoraModel,
  parameters: Parameters,
  trained: Stored,
  refuse: Refuse,
): TensorSource[] {
  return model.base.parameters.flatMap(({ name, shape }): TensorSource[] => {
    const names = model.pairs.get(name);
    if (!names) {
      const own = trained[name] ?? parameters[name];
      return 'fetch' in own ? sources({ [name]: own }, refuse) : parameterSources({ [name]: own }, refuse);
    }
    const weight = parameters[name];
    const dtype = weight.dtype === 'int32' ? 'BF16' : 'F32';
    return [
      {
        name,
        dtype,
        shape,
        async *data() {
          const a = await held(trained[names.a]);
          const b = await held(trained[names.b]);
          const pair = { [names.a]: a.tensor, [names.b]: b.tensor };
          const merged = model.mergedParameter({ ...pair, [name]: weight }, name);
          try {
            for await (const values of readPieces(merged)) {
              const { buffer, byteOffset, byteLength } = values;
              refuse(names.b, dtype === 'F32' ? values : new Uint16Array(buffer, byteOffset, byteLength / 2));
              yield dtype === 'F32' ? values : new Uint8Array(buffer, byteOffset, byteLength);
            }
          } finally {
            merged.dispose();
            for (const one of [a, b]) if (one.isOwn) one.tensor.dispose();
          }
        },
      },
    ];
  });
}

const held = async (stored: StoredTensor): Promise<{ readonly tensor: tf.Tensor; readonly isOwn: boolean }> =>
  'fetch' in stored ? { tensor: await stored.fetch(), isOwn: true } : { tensor: stored, isOwn: false };

/** The adapter in a folder that such a run has written, by the names of the model's parameters. */
export async function openAdapterOf(folder: string, model: LoraModel): Promise<Reader> {
  const adapter = await Adapter.open((await isAdapter(folder)) ? folder : join(folder, ADAPTER_FOLDER), model.base);
  const tensors = new Map(adapter.complete);
  for (const [weight, { a, b }] of adapter.pairs) {
    const names = model.pairs.get(weight);
    tensors.set(names?.a ?? `${weight} (A)`, a);
    tensors.set(names?.b ?? `${weight} (B)`, b);
  }
  return {
    tensors,
    float32Chunks: (name) => adapter.float32Chunks(tensors.get(name)!),
    readInt32: () => Promise.reject(new Error('adapters contain no integers')),
    close: () => adapter.close(),
  };
}
