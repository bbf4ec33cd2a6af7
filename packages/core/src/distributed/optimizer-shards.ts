import { tf, type TensorSpec, type WorkerGroup } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import type { Model, OptimizerState, Parameters } from '../interfaces';
import { trainable } from '../util/trainable';

/** A tensor of the optimizer's state, and the workers that keep it. */
export interface ShardSpec extends TensorSpec {
  readonly name: string;
  readonly dtype: 'float32' | 'int32';
  readonly ranks: readonly number[];
}

type Sized = Pick<Model['parameters'][number], 'name' | 'shape'>;

/**
 * Assigns an owner to each parameter: the largest first, each to the worker with the smallest load; frozen ones
 * separately.
 */
export function assignOwners(
  parameters: readonly Sized[],
  isTrained: (name: string) => boolean,
  count: number,
): Map<string, number> {
  const owners = new Map<string, number>();
  for (const trained of [true, false]) {
    const loads = new Array<number>(count).fill(0);
    const sized = parameters
      .filter(({ name }) => isTrained(name) === trained)
      .map(({ name, shape }) => ({ name, size: elementCount(shape) }))
      .sort((a, b) => b.size - a.size);
    for (const { name, size } of sized) {
      const owner = loads.indexOf(Math.min(...loads));
      loads[owner] += size;
      owners.set(name, owner);
    }
  }
  return owners;
}

/**
 * Which worker keeps and updates the optimizer's state and the moving average of each parameter: the first stage of
 * ZeRO. Every worker has all parameters.
 */
export class OptimizerShards {
  private constructor(
    private readonly group: WorkerGroup,
    private readonly owners: ReadonlyMap<string, number>,
  ) {}

  static of(group: WorkerGroup, parameters: readonly Sized[], isTrained: (name: string) => boolean): OptimizerShards {
    return new OptimizerShards(group, assignOwners(parameters, isTrained, group.count));
  }

  /** The entries of this worker's parameters, from tensors by parameter name. */
  own<T>(byParameter: Readonly<Record<string, T>>): Record<string, T> {
    const { rank } = this.group;
    return Object.fromEntries(Object.entries(byParameter).filter(([name]) => this.owners.get(name) === rank));
  }

  /**
   * All parameters after an update: this worker's own, and those that others have `changed`, from their owners. Takes
   * ownership of both.
   */
  async gather(before: Parameters, own: Parameters, changed: readonly string[]): Promise<Parameters> {
    const { group } = this;
    const after: Record<string, tf.Tensor> = { ...before, ...own };
    const gathering = Array.from({ length: group.count }, async (_, owner) => {
      const names = changed.filter((name) => this.owners.get(name) === owner);
      if (names.length === 0) return;
      if (owner === group.rank) {
        await group.broadcast(
          names.map((name) => after[name]),
          owner,
        );
        return;
      }
      const specs = names.map((name): TensorSpec => ({ shape: before[name].shape, dtype: before[name].dtype }));
      for (const name of names) before[name].dispose();
      const arrived = await group.broadcast(specs, owner);
      names.forEach((name, i) => (after[name] = arrived[i]));
    });
    const failed = (await Promise.allSettled(gathering)).find((result) => result.status === 'rejected');
    if (!failed) return after;
    tf.dispose(after);
    throw failed.reason;
  }

  /** Where each tensor of the optimizer's state is: worker by worker, what several keep at the first of them. */
  async shardSpecs(own: OptimizerState): Promise<ShardSpec[]> {
    const specs = Object.entries(own).map(([name, { shape, dtype }]) => ({
      name,
      shape,
      dtype: dtype === 'int32' ? dtype : ('float32' as const),
    }));
    const shardSpecs = new Map<string, ShardSpec & { ranks: number[] }>();
    for (const [rank, theirs] of (await this.group.exchange(specs)).entries()) {
      for (const spec of theirs) {
        const known = shardSpecs.get(spec.name);
        if (known) known.ranks.push(rank);
        else shardSpecs.set(spec.name, { ...spec, ranks: [rank] });
      }
    }
    return [...shardSpecs.values()];
  }

  /** The location of each parameter's moving average. */
  averageShards({ parameters }: Model): ShardSpec[] {
    return trainable(parameters).map(({ name, shape }) => ({
      name,
      shape,
      dtype: 'float32',
      ranks: [this.owners.get(name)!],
    }));
  }

  /** Worker 0's view of sharded tensors: its own, and others that are sent when requested, in this order. */
  atWorker0(shardSpecs: readonly ShardSpec[], own: Readonly<Record<string, tf.Tensor>>): Record<string, StoredTensor> {
    return Object.fromEntries(
      shardSpecs.map((spec) => [
        spec.name,
        spec.ranks[0] === 0
          ? own[spec.name]
          : { shape: spec.shape, dtype: spec.dtype, fetch: () => this.group.receive(spec, spec.ranks[0]) },
      ]),
    );
  }

  /** The counterpart of `atWorker0`: sends the tensors that it requests. */
  async sendToWorker0(shardSpecs: readonly ShardSpec[], own: Readonly<Record<string, tf.Tensor>>): Promise<void> {
    for (const { name, ranks } of shardSpecs) if (ranks[0] === this.group.rank) await this.group.send(own[name], 0);
  }

  /** Worker 0 sends a tensor to the workers that keep it. Returns whether it is one of them. */
  async scatter(spec: ShardSpec, tensor: tf.Tensor): Promise<boolean> {
    for (const rank of spec.ranks) if (rank !== 0) await this.group.send(tensor, rank);
    return spec.ranks.includes(0);
  }

  /** The counterpart of `scatter`, for all tensors. */
  async receiveScattered(shardSpecs: readonly ShardSpec[]): Promise<Record<string, tf.Tensor>> {
    const tensors: Record<string, tf.Tensor> = {};
    try {
      for (const spec of shardSpecs)
        if (spec.ranks.includes(this.group.rank)) tensors[spec.name] = await this.group.receive(spec, 0);
      return tensors;
    } catch (error) {
      tf.dispose(tensors);
      throw error;
    }
  }
}

/** A tensor that another worker has. */
export interface RemoteTensor extends TensorSpec {
  /** The caller owns it. */
  fetch(): Promise<tf.Tensor>;
}

export type StoredTensor = tf.Tensor | RemoteTensor;
