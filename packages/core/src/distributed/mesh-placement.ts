import { constrain, DataError, tf, type Mesh, type ShardingSpec, withRowAxes } from '@graft/engine';
import type { BatchTensors, Model, OptimizerState, Parameters } from '../interfaces';
import { OneDevice } from './one-device';
import type { PlacedState, SavedState } from './placement';
import type { ShardSpec } from './optimizer-shards';
import { splitLike, type ShardingPlan } from './sharding-rules';
import { trainable } from '../util/trainable';

/**
 * The devices of a mesh, in this process. Parameters, their optimizer state, their moving average and their gradients are
 * split by the plan, batches by their rows; the compiler partitions the step and adds the communication.
 */
export class MeshPlacement extends OneDevice {
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The parameters that have a moving average. */
  private readonly averaged: Model['parameters'];

  constructor(
    { parameters }: Pick<Model, 'parameters'>,
    private readonly mesh: Mesh,
    private readonly plan: ShardingPlan,
  ) {
    super();
    this.shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
    this.averaged = trainable(parameters);
  }

  override place(name: string, value: tf.Tensor): Promise<void> {
    return this.mesh.shard(value, this.specOf(name, value));
  }

  override async parameters(read: Parameters | undefined): Promise<Parameters> {
    return this.placed(await super.parameters(read));
  }

  override async newState(fresh: OptimizerState): Promise<OptimizerState> {
    return this.placed(fresh);
  }

  override savedState(fresh: OptimizerState, saved: SavedState | undefined): Promise<OptimizerState> {
    const specs = Object.entries(fresh).map(([name, { shape, dtype }]) => ({
      name,
      shape,
      dtype: dtype === 'int32' ? dtype : ('float32' as const),
    }));
    tf.dispose(fresh);
    return this.read('optimizer', specs, saved!);
  }

  override async newAverage(parameters: Parameters): Promise<Parameters> {
    return this.placed(await super.newAverage(parameters));
  }

  override savedAverage(saved: SavedState | undefined): Promise<Parameters> {
    const specs = this.averaged.map(({ name, shape }) => ({ name, shape, dtype: 'float32' as const }));
    return this.read('average', specs, saved!);
  }

  /** Tensor by tensor, each placed before the next is read. */
  private read(
    what: 'optimizer' | 'average',
    specs: readonly Omit<ShardSpec, 'ranks'>[],
    saved: SavedState,
  ): Promise<Record<string, tf.Tensor>> {
    const here = specs.map((spec) => ({ ...spec, ranks: [0] }));
    return saved.scattered(what, here, async ({ name }, tensor) => {
      await this.place(name, tensor);
      return true;
    });
  }

  override pass<T>(compute: () => T): T {
    const { batchAxes, batchParts } = this.plan;
    return withRowAxes(batchParts > 1 ? batchAxes : [], compute);
  }

  override gradients(gradients: Parameters): Parameters {
    return Object.fromEntries(
      Object.entries(gradients).map(([name, gradient]) => [name, constrain(gradient, this.specOf(name, gradient))]),
    );
  }

  /** Throws DataError if the rows cannot be split evenly. */
  override async batch(fields: BatchTensors): Promise<void> {
    const { batchAxes, batchParts } = this.plan;
    for (const [name, tensor] of Object.entries(fields)) {
      const rows = tensor.shape[0];
      if (batchParts > 1 && (rows === undefined || rows % batchParts !== 0)) {
        throw new DataError(
          `A batch cannot be split over the mesh: its field "${name}" has ${rows ?? 'no'} rows, and the mesh ${batchParts} parts.`,
          {
            code: 'data.mesh-rows',
            exitCode: 2,
            hint: 'Make the rows of a batch a multiple of the axes data and fsdp of train.mesh times train.microBatches.',
          },
        );
      }
      await this.mesh.shard(tensor, batchParts > 1 ? [batchAxes] : []);
    }
  }

  override describe({ parameters, state, average }: PlacedState): string {
    const what = { parameters, 'optimizer state': state, 'moving average': average };
    const parts = Object.entries(what)
      .filter(([, tensors]) => Object.keys(tensors).length > 0)
      .map(([name, tensors]) => `${name} ${this.mostOnADevice(tensors).toLocaleString('en')}`);
    return `on ${this.mesh.description}, bytes on each: ${parts.join(', ')}`;
  }

  private mostOnADevice(tensors: Parameters): number {
    const sums = new Array<number>(this.mesh.size).fill(0);
    for (const tensor of Object.values(tensors))
      this.mesh.bytesPerDevice(tensor).forEach((bytes, device) => (sums[device] += bytes));
    return Math.max(...sums);
  }

  /** Takes ownership: if it fails, none is left. */
  private async placed<T extends Readonly<Record<string, tf.Tensor>>>(tensors: T): Promise<T> {
    try {
      for (const [name, tensor] of Object.entries(tensors)) await this.place(name, tensor);
      return tensors;
    } catch (error) {
      tf.dispose(tensors);
      throw error;
    }
  }

  /** Of a parameter, or of a tensor whose name ends in that of one, such as `adamw.m/<parameter>`. */
  private specOf(name: string, { shape }: tf.Tensor): ShardingSpec {
    const parameter = this.shapes.has(name) ? name : name.slice(name.indexOf('/') + 1);
    const spec = this.plan.parameters.get(parameter);
    return spec ? splitLike(spec, this.shapes.get(parameter)!, shape, this.mesh.axes) : [];
  }
}
