import { tf, type WorkerGroup } from '@graft/engine';
import type { Model, Optimizer, OptimizerState, Parameters } from '../interfaces';
import type { ExperimentConfig } from '../config';
import type { TrainingStart } from '../training/loop-types';
import { ParameterGroups } from '../training/parameter-groups';
import { stored } from '../training/parameter-storage';
import { OptimizerShards, type ShardSpec } from '../distributed/optimizer-shards';
import { scatterTensors, readAverage, readOptimizerState } from './snapshots';
import { initialState } from '../training/update';
import { workersOf, type Workers } from '../distributed/workers';

export interface StartState extends TrainingStart {
  readonly workers?: Workers;
}

/** The ingredients of a training's initial state. */
export interface StartRequest {
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly train: ExperimentConfig['train'];
  readonly group?: WorkerGroup;
  /** Undefined in workers that receive them from worker 0. The function takes ownership of them. */
  readonly parameters?: Parameters;
  readonly step: number;
  /** Whether the snapshot has a moving average. */
  readonly hasAverage: boolean;
  /** The snapshot; undefined at the first step, and in workers that receive everything from worker 0. */
  readonly folder?: string;
}

/** Parameters in all workers, and this worker's shard of the optimizer state: read from the snapshot, or new. */
export async function readStartState(request: StartRequest): Promise<StartState> {
  const { model, optimizer, train, group, step, folder } = request;
  const wide = group ? await broadcastParameters(group, model, request.parameters) : request.parameters!;
  const owned: tf.TensorContainer[] = [wide];
  try {
    const trained = ParameterGroups.of(model, train, train.steps).everTrained(wide);
    const shards =
      group && train.shardOptimizer
        ? OptimizerShards.of(group, model.parameters, (name) => Object.hasOwn(trained, name))
        : undefined;
    const own = shards ? shards.own(trained) : trained;
    const ofOptimizer = initialState(optimizer, own);
    owned.push(ofOptimizer);
    const isFresh = step === 0 || !request.hasAverage;
    const newAverage =
      train.averageDecay !== undefined && isFresh ? copies(shards ? shards.own(wide) : wide) : undefined;
    owned.push(newAverage ?? {});
    // From here on they belong to the two records.
    const { parameters, masters } = stored(wide, own, train);
    const fresh = { ...ofOptimizer, ...masters };
    owned.push(parameters, masters);
    const shardSpecs = await shards?.shardSpecs(fresh);
    const workers = group && workersOf(group, shards && { shards, state: shardSpecs! });
    const state = step === 0 ? fresh : await resumedState({ fresh, shardSpecs, workers, folder });
    owned.push(state);
    const average =
      newAverage ?? (train.averageDecay === undefined ? {} : await resumedAverage({ model, workers, folder }));
    return { parameters, state, average, step, checkpoint: folder, workers };
  } catch (error) {
    tf.dispose(owned);
    throw error;
  }
}

/** Copies worker 0's parameters to all workers. */
async function broadcastParameters(group: WorkerGroup, model: Model, own: Parameters | undefined): Promise<Parameters> {
  const specs = model.parameters.map(({ name, shape }) => own?.[name] ?? { shape, dtype: 'float32' as const });
  try {
    const tensors = await group.broadcast(specs, 0);
    return Object.fromEntries(model.parameters.map(({ name }, i) => [name, tensors[i]]));
  } catch (error) {
    if (own) tf.dispose(own);
    throw error;
  }
}

interface Resumed {
  readonly workers?: Workers;
  /** The snapshot; undefined in workers that receive everything from worker 0. */
  readonly folder?: string;
}

/** Takes ownership of `fresh`, the optimizer's initial state. */
async function resumedState({
  fresh,
  shardSpecs,
  workers,
  folder,
}: Resumed & { fresh: OptimizerState; shardSpecs?: readonly ShardSpec[] }): Promise<OptimizerState> {
  if (!workers) return readOptimizerState(folder!, fresh);
  const { sharded, group } = workers;
  if (sharded) {
    tf.dispose(fresh);
    return scattered(sharded.shards, shardSpecs!, 'optimizer', folder);
  }
  const names = Object.keys(fresh);
  if (folder === undefined) {
    const tensors = await group.broadcast(Object.values(fresh), 0);
    tf.dispose(fresh);
    return Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  }
  const state = await readOptimizerState(folder, fresh);
  await group.broadcast(
    names.map((name) => state[name]),
    0,
  );
  return state;
}

async function resumedAverage({ model, workers, folder }: Resumed & { model: Model }): Promise<Parameters> {
  if (!workers) return (await readAverage(folder!, model))!;
  const { sharded, group } = workers;
  if (sharded) return scattered(sharded.shards, sharded.shards.averageShards(model), 'average', folder);
  return broadcastParameters(group, model, folder === undefined ? undefined : await readAverage(folder, model));
}

function scattered(
  shards: OptimizerShards,
  shardSpecs: readonly ShardSpec[],
  what: 'optimizer' | 'average',
  folder: string | undefined,
): Promise<Record<string, tf.Tensor>> {
  return folder === undefined
    ? shards.receiveScattered(shardSpecs)
    : scatterTensors(folder, what, shardSpecs, (spec, tensor) => shards.scatter(spec, tensor));
}

/** For the moving average, which starts equal to the parameters. */
const copies = (parameters: Parameters): Parameters =>
  Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, value.clone()]));
