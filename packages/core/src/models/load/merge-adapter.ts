import {
  CheckpointReader,
  fromFloat32,
  fromFloat64,
  isFloatDtype,
  readRecord,
  readTokenizerFiles,
  recordFile,
  writeCheckpoint,
  type TensorInfo,
  type TensorSource,
} from '@graft/checkpoint';
import { numbersOf } from '@graft/checkpoint/internal';
import { CheckpointError } from '@graft/engine';
import { join, resolve } from 'node:path';
import type { Registry } from '../../components/registry';
import type { ComponentFactory } from '../../interfaces';
import { checkTensors } from './checkpoint-tensors';
import { findFamily } from './find-family';
import { modelOfFolder } from './load-checkpoint';
import { Adapter } from '../../training/lora/adapter';

/** Which adapter is merged into which model. */
export interface MergeAdapterRequest {
  /** Folder of the model that the adapter was trained on. */
  readonly model: string;
  /** Folder of the adapter, in PEFT's layout. */
  readonly adapter: string;
  /** The new checkpoint's folder; it must not exist. */
  readonly out: string;
  /** Contains the plugins among which the model's family is searched. */
  readonly registry: Registry;
  /** Creates components of that registry. */
  readonly components: ComponentFactory;
}

/** What was written. */
export interface MergeAdapterReport {
  readonly out: string;
  readonly tensors: number;
  /** Tensors that the adapter has changed. */
  readonly changed: number;
}

/**
 * Writes a model with an adapter merged in, as a checkpoint of its own: W + factor B A for each pair, and what the adapter
 * contains completely. Streams, computes in float64, and rounds once to the dtype of the model's tensor. Throws
 * CheckpointError, naming modules and shapes, if the adapter is not one of this model; then nothing has been written.
 */
export async function mergeAdapter(request: MergeAdapterRequest): Promise<MergeAdapterReport> {
  const { out, registry, components } = request;
  const reader = await CheckpointReader.open(request.model);
  try {
    const config = await reader.config();
    const { family } = await findFamily(registry, components, config, join(reader.path, 'config.json'));
    const model = await modelOfFolder(family, reader);
    await checkTensors(model, reader);
    const { nameOf = (name: string) => name, redundant = [] } = (await model.storage?.(reader)) ?? {};
    const adapter = await Adapter.open(request.adapter, model);
    try {
      const names = new Map(model.parameters.map(({ name }) => [nameOf(name), name]));
      // Copies of a tied table would contradict one that the adapter replaces.
      const stale = new Set(adapter.complete.size > 0 ? redundant : []);
      const kept = [...reader.tensors.values()].filter(({ name }) => !stale.has(name));
      const merged = kept.map((info) => mergedSource(reader, info, names.get(info.name), adapter));
      const record = {
        ...(await readRecord(reader.path)),
        merged: { model: resolve(reader.path), adapter: resolve(adapter.path) },
      };
      await writeCheckpoint(out, {
        config,
        generationConfig: await reader.generationConfig(),
        tensors: merged.map(({ source }) => source),
        extraFiles: { ...(await readTokenizerFiles(reader.path)), ...recordFile(record) },
      });
      return { out, tensors: merged.length, changed: merged.filter(({ isChanged }) => isChanged).length };
    } finally {
      await adapter.close();
    }
  } finally {
    await reader.close();
  }
}

function mergedSource(
  reader: CheckpointReader,
  { name, dtype, shape }: TensorInfo,
  parameter: string | undefined,
  adapter: Adapter,
): { readonly source: TensorSource; readonly isChanged: boolean } {
  const pair = parameter === undefined ? undefined : adapter.pairs.get(parameter);
  const complete = parameter === undefined ? undefined : adapter.complete.get(parameter);
  if (!pair && !complete) return { source: reader.source(name), isChanged: false };
  if (!isFloatDtype(dtype)) {
    throw new CheckpointError(`"${name}" of ${reader.path} holds ${dtype}, to which no pair can be added.`, {
      code: 'checkpoint.dtype',
    });
  }
  async function* data(): AsyncGenerator<Uint8Array> {
    if (complete) {
      for await (const values of adapter.float32Chunks(complete)) yield fromFloat32(values, dtype);
      return;
    }
    const { a, b } = await adapter.pairValues(parameter!);
    const rank = pair!.a.shape[0];
    const width = shape[1];
    let at = 0;
    yield* numbersOf([{ reader, name }], ([values]) => {
      addProduct(values, at, { a, b, rank, width, factor: adapter.factor });
      at += values.length;
      return fromFloat64(values, dtype);
    });
  }
  return { source: { name, dtype, shape, data }, isChanged: true };
}

interface Product {
  /** [rank, width] */
  readonly a: Float32Array;
  /** [out, rank] */
  readonly b: Float32Array;
  readonly rank: number;
  readonly width: number;
  readonly factor: number;
}

/** Adds factor B A to a piece of a matrix [out, width], which begins at its element `from`. */
function addProduct(piece: Float64Array, from: number, { a, b, rank, width, factor }: Product): void {
  for (let i = 0; i < piece.length;) {
    const row = Math.floor((from + i) / width);
    const first = from + i - row * width;
    const count = Math.min(width - first, piece.length - i);
    for (let k = 0; k < rank; k++) {
      const scaled = factor * b[row * rank + k];
      const begin = k * width + first;
      for (let column = 0; column < count; column++) piece[i + column] += scaled * a[begin + column];
    }
    i += count;
  }
}
