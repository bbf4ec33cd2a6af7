import { tf, type TensorSpec, type WorkerGroup } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import type { Model, OptimizerState, Parameters } from '../interfaces';
import { copies } from './one-device';
import { OptimizerShards, type ShardSpec } from './optimizer-shards';
import type { AverageUse, PlacedState, Placement, SavedState, StoredState } from './placement';
import type { Reduce } from './sums';
import { withWholeAverage } from './whole-average';
import { trainable } from '../util/trainable';

/** What decides how workers share a training. */
export interface WorkerPlacementOptions {
  readonly group: WorkerGroup;
  readonly model: Model;
  /** Of a sharded optimizer state: which parameters are ever trained. Undefined: every worker has all of the state. */
  readonly isTrained?: (name: string) => boolean;
  /** Whether there is a moving average of the parameters. */
  readonly keepsAverage: boolean;
}

/**
 * Processes that each compute a part of every batch; all have all parameters. The optimizer's state and the moving average
 * may be sharded. Worker 0 reads, writes and evaluates.
 */
export class WorkerPlacement implements Placement {
  readonly group: WorkerGroup;
  readonly slice: NonNullable<Placement['slice']>;
  readonly reduce: Reduce;
  private readonly model: Model;
  private readonly shards: OptimizerShards | undefined;
  private readonly keepsAverage: boolean;
  /** Where the parts of a sharded state are. */
  private stateShards: readonly ShardSpec[] = [];

  constructor({ group, model, isTrained, keepsAverage }: WorkerPlacementOptions) {
    this.group = group;
    // Only its numbers: data threads get a copy.
    this.slice = { rank: group.rank, count: group.count };
    this.reduce = sumOver(group);
    this.model = model;
    this.keepsAverage = keepsAverage;
    this.shards = isTrained && OptimizerShards.of(group, model.parameters, isTrained);
  }

  /** A sharded state cannot be gathered without the other workers. */
  get savesAlone(): boolean {
    return this.shards === undefined;
  }

  own<T>(byParameter: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
    return this.shards?.own(byParameter) ?? byParameter;
  }

  async updated(before: Parameters, own: Parameters, changed: readonly string[]): Promise<Parameters> {
    return this.shards ? this.shards.gather(before, own, changed) : own;
  }

  pass<T>(compute: () => T): T {
    return compute();
  }

  gradients(gradients: Parameters): Parameters {
    return gradients;
  }

  place(): Promise<void> {
    return Promise.resolve();
  }

  /** Those of worker 0. */
  parameters(read: Parameters | undefined): Promise<Parameters> {
    return this.broadcast(read, this.model.parameters);
  }

  async newState(fresh: OptimizerState): Promise<OptimizerState> {
    if (this.shards) this.stateShards = await this.shards.shardSpecs(fresh);
    return fresh;
  }

  async savedState(given: OptimizerState, saved: SavedState | undefined): Promise<OptimizerState> {
    const fresh = await this.newState(given);
    if (this.shards) {
      tf.dispose(fresh);
      return this.scattered(this.shards, this.stateShards, 'optimizer', saved);
    }
    const names = Object.keys(fresh);
    if (!saved) {
      const tensors = await this.group.broadcast(Object.values(fresh), 0);
      tf.dispose(fresh);
      return Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
    }
    const state = await saved.state(fresh);
    await this.group.broadcast(
      names.map((name) => state[name]),
      0,
    );
    return state;
  }

  newAverage(parameters: Parameters): Promise<Parameters> {
    return Promise.resolve(copies(this.own(parameters)));
  }

  async savedAverage(saved: SavedState | undefined): Promise<Parameters> {
    if (this.shards) return this.scattered(this.shards, this.shards.averageShards(this.model), 'average', saved);
    return this.broadcast(await saved?.average(), trainable(this.model.parameters));
  }

  describe({ state }: PlacedState): string | undefined {
    if (!this.shards) return undefined;
    const bytes = (tensors: readonly TensorSpec[]): string =>
      tensors.reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0).toLocaleString('en');
    return `optimizer state ${bytes(Object.values(state))} of ${bytes(this.stateShards)} bytes here`;
  }

  batch(): Promise<void> {
    return Promise.resolve();
  }

  async stored({ state, average }: PlacedState, writes: boolean): Promise<StoredState | undefined> {
    const { shards, averageShards } = this;
    if (writes)
      return {
        optimizer: shards ? shards.atWorker0(this.stateShards, state) : state,
        average: shards && averageShards ? shards.atWorker0(averageShards, average) : average,
      };
    if (averageShards) await shards?.sendToWorker0(averageShards, average);
    await shards?.sendToWorker0(this.stateShards, state);
    return undefined;
  }

  async withAverage(average: Parameters, { isDue, evaluate }: AverageUse): Promise<void> {
    const { shards, averageShards, group } = this;
    if (!shards || !averageShards) return evaluate(average);
    const [due] = await group.exchange(isDue());
    if (!due) return;
    if (group.rank !== 0) return shards.sendToWorker0(averageShards, average);
    await withWholeAverage(shards, averageShards, average, evaluate);
  }

  private async broadcast(read: Parameters | undefined, wanted: Model['parameters']): Promise<Parameters> {
    const specs = wanted.map(({ name, shape }) => read?.[name] ?? { shape, dtype: 'float32' as const });
    try {
      const tensors = await this.group.broadcast(specs, 0);
      return Object.fromEntries(wanted.map(({ name }, i) => [name, tensors[i]]));
    } catch (error) {
      if (read) tf.dispose(read);
      throw error;
    }
  }

  /** The locations of the moving average, if it is sharded. */
  private get averageShards(): ShardSpec[] | undefined {
    return this.keepsAverage ? this.shards?.averageShards(this.model) : undefined;
  }

  private scattered(
    shards: OptimizerShards,
    specs: readonly ShardSpec[],
    what: 'optimizer' | 'average',
    saved: SavedState | undefined,
  ): Promise<Record<string, tf.Tensor>> {
    return saved
      ? saved.scattered(what, specs, (spec, tensor) => shards.scatter(spec, tensor))
      : shards.receiveScattered(specs);
  }
}

/** Sums over the group: gradients and metrics are sent in the same buckets. */
function sumOver(group: WorkerGroup): Reduce {
  return async ({ gradients, numbers, names, counts }) => {
    const keys = Object.keys(gradients);
    const sums = await group.sum([...keys.map((key) => gradients[key]), numbers]);
    return {
      gradients: Object.fromEntries(keys.map((key, i) => [key, sums[i]])),
      numbers: sums[keys.length] as typeof numbers,
      names,
      counts,
    };
  };
}
