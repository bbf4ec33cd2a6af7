import {
  CheckpointReader,
  CONFIG_FILE,
  GENERATION_CONFIG_FILE,
  listSnapshots,
  stepOf,
  verifySnapshot,
  type CheckpointContents,
} from '@graft/checkpoint';
import {
  averageFolder,
  isAdapter,
  isThere,
  loadSnapshotState,
  openSnapshotOptimizer,
  saveSnapshot,
  snapshotFolder,
  readJsonObject,
  TEMPORARY_PREFIX,
} from '@graft/checkpoint/internal';
import { CheckpointError, tf } from '@graft/engine';
import { tensorOfPieces } from '@graft/engine/internal';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Model, OptimizerState, Parameters } from '../interfaces';
import { checkpointConfigOf } from '../data/special-tokens';
import { LoraModel } from '../training/lora/lora-model';
import { carriedIn } from './carried';
import { checkLines } from './metrics';
import { isPacked } from '../training/parameter-storage';
import { isObject } from '../util/objects';
import type { StoredTensor } from '../distributed/optimizer-shards';
import type { KeptCheckpoints, SnapshotContents, TrainerState } from '../training/run-sink';
import { adapterOf, mergedSources, openAdapterOf } from './lora-sources';
import { parameterSources, refuseNonFinite, sources, type Reader, type Refuse } from './tensor-sources';
import { readTrainerState, type Expected } from './trainer-state';
import { trainable } from '../util/trainable';

/**
 * Writes `checkpoints/step-N`, which appears only once it is complete, and removes the others that are not to keep.
 * Returns its folder. Throws TrainingError, leaving no folder, if a trained parameter is not finite.
 */
export async function writeSnapshot(
  checkpoints: string,
  keep: KeptCheckpoints,
  contents: SnapshotContents,
): Promise<string> {
  const { model, extraFiles, parameters, optimizer, average = {}, state } = contents;
  const folder = snapshotFolder(checkpoints, state.step);
  const shared = { config: checkpointConfigOf(model), generationConfig: model.generationConfig, extraFiles };
  const isNarrow = Object.values(parameters).some(isPacked);
  const config = isNarrow ? withDtype(shared.config, 'bfloat16') : shared.config;
  await saveSnapshot(folder, {
    model: {
      ...shared,
      config,
      ...weightsOf(contents, parameters, refuseNonFinite(contents, 'parameter')),
    },
    optimizer: sources(optimizer),
    average:
      Object.keys(average).length > 0
        ? {
            ...shared,
            // The matrices that the average of pairs is merged into keep their dtype.
            ...(model instanceof LoraModel && { config }),
            ...weightsOf(contents, average, refuseNonFinite(contents, 'the moving average of')),
          }
        : undefined,
    state,
  });
  await removeSuperseded(checkpoints, keep);
  return folder;
}

/** Removes the snapshots that are neither among the newest nor the best. */
export async function removeSuperseded(checkpoints: string, { newest, best }: KeptCheckpoints): Promise<void> {
  const old = (await listSnapshots(checkpoints)).slice(0, -Math.max(1, newest));
  for (const { folder, step } of old) if (step !== best) await removeWhole(folder);
}

/** What a checkpoint holds of parameters, or of their moving average, in which what does not train is missing. */
function weightsOf(
  { model, carried = [], parameters, baseModel }: SnapshotContents,
  trained: Readonly<Record<string, StoredTensor>>,
  refuse: Refuse,
): Pick<CheckpointContents, 'tensors' | 'adapter'> {
  if (!(model instanceof LoraModel)) {
    const isAverage = trained !== parameters;
    return { tensors: [...(isAverage ? sources(trained, refuse) : parameterSources(parameters, refuse)), ...carried] };
  }
  return {
    tensors: model.settings.save === 'merged' ? [...mergedSources(model, parameters, trained, refuse), ...carried] : [],
    adapter: adapterOf(model, trained, { baseModel, refuse }),
  };
}

/** The config of a checkpoint, whose entries on the dtype of its weights say that one. */
function withDtype(config: Record<string, unknown>, dtype: string): Record<string, unknown> {
  const changed = Object.entries(config).map(([key, value]): [string, unknown] => {
    if (typeof value === 'string' && ['dtype', 'torch_dtype'].includes(key)) return [key, dtype];
    return [key, isObject(value) && !Array.isArray(value) ? withDtype(value as Record<string, unknown>, dtype) : value];
  });
  return Object.fromEntries(changed);
}

/** Writes under another name first, so that a reader never finds half a snapshot. */
async function removeWhole(folder: string): Promise<void> {
  const doomed = join(dirname(folder), `${TEMPORARY_PREFIX}${basename(folder)}-old`);
  await rm(doomed, { recursive: true, force: true });
  await rename(folder, doomed);
  await rm(doomed, { recursive: true, force: true });
}

/** Removes what a killed run left half-written or half-removed. */
export async function sweepSnapshots(checkpoints: string): Promise<void> {
  const names = await readdir(checkpoints).catch(() => []);
  for (const name of names)
    if (name.startsWith(TEMPORARY_PREFIX)) await rm(join(checkpoints, name), { recursive: true, force: true });
}

/** The code of errors that blame the config instead of the checkpoint. */
const MISMATCH = 'checkpoint.snapshot-mismatch';

/** The error of a run's newest snapshot: it names an older one from which to resume, and the command for it. */
export async function withWayOut(error: unknown, folder: string): Promise<unknown> {
  // The damaged file may also be one of the data.
  if (!(error instanceof CheckpointError) || error.code === MISMATCH) return error;
  if (!error.message.includes(dirname(dirname(folder)))) return error;
  const older = (await listSnapshots(dirname(folder))).filter((snapshot) => snapshot.folder !== folder);
  const others = error.code === 'run.checkpoint-lost' ? [...older, { folder }] : older;
  const metrics = join(dirname(dirname(folder)), 'metrics.jsonl');
  let next: string | undefined;
  while (next === undefined && others.length > 0) {
    const { folder: candidate } = others.pop()!;
    if (await isWhole(candidate, metrics)) next = basename(candidate);
  }
  const run = basename(dirname(dirname(folder)));
  const { message, code, exitCode } = error;
  const then = next === undefined ? 'the run has no other undamaged one' : `the run can continue from ${next}`;
  const hint =
    next === undefined
      ? 'Put what was lost back, or start a new run.'
      : `The same command with --resume ${run} --from-last-good checks every byte, and continues from the newest undamaged checkpoint.`;
  return new CheckpointError(`${message.replace(/\.$/, '')}; ${then}.`, { code, exitCode, hint, cause: error });
}

/** Whether a run can resume from it, checked to the last byte, so that the error's advice works. */
async function isWhole(folder: string, metricsFile: string): Promise<boolean> {
  try {
    await loadSnapshotState(folder, await verifySnapshot(folder));
    await checkLines(metricsFile, stepOf(basename(folder))!);
    return true;
  } catch {
    return false;
  }
}

/**
 * Reads from the newest snapshot in a run's checkpoints. Throws what `read` throws; for a damaged snapshot, with
 * advice.
 */
export async function readingSnapshot<T>(folder: string | undefined, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw folder === undefined ? error : await withWayOut(error, folder);
  }
}

export interface FoundSnapshot {
  readonly folder: string;
  readonly state: TrainerState;
  readonly config: Record<string, unknown>;
  readonly generationConfig?: Record<string, unknown>;
}

/** The newest snapshot; undefined if there is none. Throws CheckpointError if it is damaged, or another run's. */
export async function findSnapshot(checkpoints: string, expected: Expected): Promise<FoundSnapshot | undefined> {
  const newest = (await listSnapshots(checkpoints)).pop();
  if (!newest) return undefined;
  const { folder } = newest;
  return readingSnapshot(folder, async () => {
    const state = await readTrainerState(folder, expected);
    if (await isAdapter(folder)) {
      // Not a checkpoint for a reader. What it holds was checked with the state.
      const config = await readJsonObject(join(folder, CONFIG_FILE));
      const file = join(folder, GENERATION_CONFIG_FILE);
      return { folder, state, config, ...((await isThere(file)) && { generationConfig: await readJsonObject(file) }) };
    }
    const reader = await CheckpointReader.open(folder);
    try {
      return { folder, state, config: await reader.config(), generationConfig: await reader.generationConfig() };
    } finally {
      await reader.close();
    }
  });
}

interface Wanted {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
}

/** Receives each tensor after it has been read, and returns whether to keep it. */
type Scatter<W extends Wanted> = (wanted: W, tensor: tf.Tensor) => Promise<boolean>;

/** Number of tensors to read from the disk while one is in use; otherwise the disk would be idle. */
const READ_AHEAD = 3;

/** The tensors that `read` returns, in order; the consumer owns each of them. */
async function* readAhead<W>(
  wanted: readonly W[],
  read: (one: W) => Promise<tf.Tensor>,
): AsyncGenerator<readonly [W, tf.Tensor]> {
  const onTheirWay: Promise<tf.Tensor>[] = [];
  try {
    for (const [i, one] of wanted.entries()) {
      while (onTheirWay.length <= READ_AHEAD && i + onTheirWay.length < wanted.length) {
        const next = read(wanted[i + onTheirWay.length]);
        // The loop awaits it later: until then its failure must not be an unhandled rejection.
        next.catch(() => undefined);
        onTheirWay.push(next);
      }
      yield [one, await onTheirWay.shift()!];
    }
  } finally {
    // A consumer that stops early closes the reader next, and never sees these.
    const left = await Promise.allSettled(onTheirWay);
    for (const tensor of left) if (tensor.status === 'fulfilled') tensor.value.dispose();
  }
}

/**
 * Reads exactly the tensors in `wanted`, and closes the reader. Throws CheckpointError, leaving no tensor, if they
 * differ.
 */
async function readTensors<W extends Wanted>(
  reader: Reader,
  wanted: readonly W[],
  where: string,
  scatter?: Scatter<W>,
  carried: readonly string[] = [],
): Promise<Record<string, tf.Tensor>> {
  const known = new Set([...wanted.map(({ name }) => name), ...carried]);
  const tensors: Record<string, tf.Tensor> = {};
  const mismatch = (name: string, problem: string): CheckpointError =>
    new CheckpointError(`${where}: "${name}" ${problem}.`, {
      code: MISMATCH,
      hint: 'Resume with the config that the run was started with.',
    });
  try {
    const read = async ({ name, shape, dtype }: W): Promise<tf.Tensor> => {
      const info = reader.tensors.get(name);
      if (!info) throw mismatch(name, 'is missing');
      if (info.shape.join() !== shape.join())
        throw mismatch(name, `has shape [${info.shape.join(', ')}], expected [${shape.join(', ')}]`);
      if (dtype === 'int32') return tf.tensor(await reader.readInt32(name), [...shape], dtype);
      return tensorOfPieces({ shape, dtype }, reader.float32Chunks(name));
    };
    for await (const [spec, tensor] of readAhead(wanted, read)) {
      tensors[spec.name] = tensor;
      if (!scatter || (await scatter(spec, tensor))) continue;
      tensor.dispose();
      delete tensors[spec.name];
    }
    for (const name of reader.tensors.keys()) if (!known.has(name)) throw mismatch(name, 'is unknown to the run');
    return tensors;
  } catch (error) {
    tf.dispose(tensors);
    throw error;
  } finally {
    await reader.close();
  }
}

/**
 * A model's parameters from a snapshot, in the model's order, each placed as it is read; the caller owns them. Under
 * `train.lora` only those that train: what is frozen is the initializer's.
 */
export async function readParameters(
  folder: string,
  model: Model,
  place?: (name: string, value: tf.Tensor) => Promise<void>,
): Promise<Parameters> {
  const wanted = trainable(model.parameters).map(({ name, shape }) => ({ name, shape, dtype: 'float32' as const }));
  const keep = place && (({ name }: Wanted, value: tf.Tensor): Promise<true> => place(name, value).then(() => true));
  const { reader, carried } = await openWeights(folder, model);
  return readTensors(reader, wanted, folder, keep, carried);
}

/** What `weightsOf` has written, by the names of parameters. */
async function openWeights(
  folder: string,
  model: Model,
): Promise<{ readonly reader: Reader; readonly carried?: readonly string[] }> {
  if (model instanceof LoraModel) return { reader: await openAdapterOf(folder, model) };
  const reader = await CheckpointReader.open(folder);
  return { reader, carried: await carriedIn(reader, model) };
}

/** The moving average from a snapshot; undefined if it has none. */
export async function readAverage(folder: string, model: Model): Promise<Parameters | undefined> {
  return (await hasAverage(folder)) ? readParameters(averageFolder(folder), model) : undefined;
}

/** Whether a snapshot contains a moving average. */
export async function hasAverage(folder: string): Promise<boolean> {
  return (await stat(averageFolder(folder)).catch(() => undefined)) !== undefined;
}

/**
 * The optimizer's state, or with `average` the moving average of this model, from a snapshot, tensor by tensor; `scatter` decides
 * which tensors to keep.
 */
export async function scatterTensors<W extends Wanted>(
  folder: string,
  what: 'optimizer' | 'average',
  { wanted, model }: { readonly wanted: readonly W[]; readonly model: Model },
  scatter: Scatter<W>,
): Promise<Record<string, tf.Tensor>> {
  if (what === 'optimizer')
    return readTensors(await openSnapshotOptimizer(folder), wanted, join(folder, 'optimizer.safetensors'), scatter);
  const { reader, carried } = await openWeights(averageFolder(folder), model);
  return readTensors(reader, wanted, averageFolder(folder), scatter, carried);
}

/**
 * The optimizer's state from a snapshot. Disposes `fresh`, the optimizer's initial state, which defines the expected
 * tensors.
 */
export async function readOptimizerState(folder: string, fresh: OptimizerState): Promise<OptimizerState> {
  const wanted = Object.entries(fresh).map(([name, { shape, dtype }]) => ({
    name,
    shape,
    dtype: dtype === 'int32' ? dtype : ('float32' as const),
  }));
  tf.dispose(fresh);
  return readTensors(await openSnapshotOptimizer(folder), wanted, join(folder, 'optimizer.safetensors'));
}
