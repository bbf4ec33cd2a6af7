import { CheckpointError } from '@graft/errors';
import { resolve } from 'node:path';
import { fromFloat64 } from '../../safetensors/dtypes';
import type { TensorInfo } from '../../safetensors/header';
import type { TensorSource } from '../../safetensors/writer';
import { CheckpointReader } from '../checkpoint-reader';
import { readRecord, recordFile } from '../record';
import { readTokenizerFiles } from '../tokenizer-files';
import { writeCheckpoint } from '../write-folder';
import { checkAgreement } from './agreement';
import { linear, slerp, taskArithmetic, ties, type MergeMethod } from './methods';
import { isFloat, numbersTogether, same } from './together';

/** Which checkpoints become one, and how. */
export type MergeRequest =
  | {
      /** The weighted mean. */
      readonly method: 'linear';
      readonly folders: readonly string[];
      /** One for each folder, relative to their sum. Default: 1 each. */
      readonly weights?: readonly number[];
    }
  | {
      /** Along the sphere from the first to the second, tensor by tensor. */
      readonly method: 'slerp';
      readonly folders: readonly [string, string];
      /** The share of the way, from 0 to 1. */
      readonly t: number;
    }
  | {
      /** The base plus the differences of fine-tuned checkpoints to it. */
      readonly method: 'task-arithmetic' | 'ties';
      readonly base: string;
      readonly deltas: readonly string[];
      /** One for each difference. Default: 1 each. */
      readonly weights?: readonly number[];
      /** Factor of all differences together. Default 1. */
      readonly scale?: number;
      /** For TIES: the share of each difference that is kept, above 0. Default 1. */
      readonly density?: number;
    };

/** How a merged checkpoint is written. */
export interface MergeOptions {
  readonly overwrite?: boolean;
  readonly maxShardBytes?: number;
}

const refused = (message: string, hint?: string): CheckpointError =>
  new CheckpointError(message, { code: 'checkpoint.merge', exitCode: 2, hint });

/** Throws CheckpointError for numbers of which no mean can be made. */
function checkWeights(weights: readonly number[] | undefined, count: number, what: string): readonly number[] {
  if (weights === undefined) return Array.from({ length: count }, () => 1);
  if (weights.length !== count)
    throw refused(`There are ${weights.length} weights for ${count} ${what}.`, 'Give one for each, in their order.');
  const wrong = weights.find((weight) => !Number.isFinite(weight));
  if (wrong !== undefined) throw refused(`A weight is ${wrong}; expected a finite number.`);
  return weights;
}

/** The folders of a request, of which the first gives config, tokenizer and dtypes; and its method. */
function methodOf(request: MergeRequest): { readonly folders: readonly string[]; readonly merge: MergeMethod } {
  switch (request.method) {
    case 'linear': {
      const { folders } = request;
      const weights = checkWeights(request.weights, folders.length, 'checkpoints');
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      if (folders.length > 0 && total === 0)
        throw refused('The weights add up to 0, so that there is no mean.', 'Give weights with another sum.');
      return { folders, merge: linear(weights) };
    }
    case 'slerp': {
      const { folders, t } = request;
      if (!(t >= 0 && t <= 1)) throw refused(`t is ${t}; expected a number from 0 (the first) to 1 (the second).`);
      return { folders, merge: slerp(t) };
    }
    default: {
      const { method, base, deltas, scale = 1, density = 1 } = request;
      if (deltas.length === 0) throw refused('There is nothing to be added to the base.');
      if (!Number.isFinite(scale)) throw refused(`The scale is ${scale}; expected a finite number.`);
      if (!(density > 0 && density <= 1)) throw refused(`The density is ${density}; expected above 0, at most 1.`);
      const weights = checkWeights(request.weights, deltas.length, 'differences');
      const given = { weights, scale };
      const merge = method === 'ties' ? ties({ ...given, density }) : taskArithmetic(given);
      return { folders: [base, ...deltas], merge };
    }
  }
}

/**
 * Writes one checkpoint made of several of one model. Streams, and reads tensors several times where a method needs to know
 * all of one first; computes in float64 and rounds once to the dtype of the first folder (or the base), whose config,
 * tokenizer and record are copied, with a section `merged` for all but plain means. Throws CheckpointError if configs,
 * names, shapes or dtypes differ (with a base, dtypes and special tokens may), or if the values of non-float tensors do.
 */
export async function mergeCheckpoints(request: MergeRequest, out: string, options: MergeOptions = {}): Promise<void> {
  const { folders, merge } = methodOf(request);
  if (folders.length === 0) {
    throw new CheckpointError('There are no checkpoints to be averaged.', { code: 'checkpoint.average', exitCode: 2 });
  }
  const readers: CheckpointReader[] = [];
  try {
    for (const folder of folders) readers.push(await CheckpointReader.open(folder));
    const [first, ...others] = readers;
    const config = await first.config();
    for (const other of others) await checkAgreement(first, other, { tuned: 'base' in request });
    const record = { ...(await readRecord(first.path)), ...mergedSection(request) };
    await writeCheckpoint(
      out,
      {
        config,
        generationConfig: await first.generationConfig(),
        tensors: [...first.tensors.values()].map((info) => mergedTensor(info, readers, merge)),
        maxShardBytes: options.maxShardBytes,
        extraFiles: { ...(await readTokenizerFiles(first.path)), ...recordFile(record) },
      },
      options,
    );
  } finally {
    for (const reader of readers) await reader.close();
  }
}

/** For graft.json: how the checkpoint was made. */
function mergedSection(request: MergeRequest): { merged?: object } {
  if (request.method === 'linear' && request.weights === undefined) return {};
  const absolute =
    'base' in request
      ? { base: resolve(request.base), deltas: request.deltas.map((folder) => resolve(folder)) }
      : { folders: request.folders.map((folder) => resolve(folder)) };
  return { merged: { ...request, ...absolute } };
}

function mergedTensor(
  { name, dtype, shape }: TensorInfo,
  readers: readonly CheckpointReader[],
  method: MergeMethod,
): TensorSource {
  const data = async function* (): AsyncGenerator<Uint8Array> {
    if (!isFloat(readers, name)) return yield* same(readers, name);
    const merge = await method(readers, name);
    yield* numbersTogether(readers, name, (values) => fromFloat64(merge(values), dtype));
  };
  return { name, dtype, shape, data };
}

/**
 * Writes the mean of checkpoints of one model, for example of the last snapshots of a run. As `mergeCheckpoints` with the
 * method `linear`.
 */
export function averageCheckpoints(folders: readonly string[], out: string, options: MergeOptions = {}): Promise<void> {
  return mergeCheckpoints({ method: 'linear', folders }, out, options);
}
