import type * as tf from '@tensorflow/tfjs-core';

/** The axes of a mesh by name, outermost first, with the number of devices along each: `{ data: 4, model: 2 }`. */
export type MeshAxes = Readonly<Record<string, number>>;

/**
 * How a tensor is split over a mesh: for each dimension the axis, or axes, over which it is split evenly; null, or a
 * dimension that is left out at the end, is not split. `[]` is a whole copy on each device.
 */
export type ShardingSpec = readonly (string | readonly string[] | null)[];

/** Devices of this process as a grid with named axes, over which tensors are split. One logical tensor stays one tensor. */
export interface Mesh {
  readonly axes: MeshAxes;
  /** How many devices it has. */
  readonly size: number;
  /** What its devices are, for logs: "8 devices of cpu". */
  readonly description: string;
  /**
   * Places a tensor: afterwards each device has its slice, and no device has the rest. The tensor is changed in place,
   * so that whoever has it need not replace it; its clones, which share its memory, are placed with it. Throws
   * EngineError for an unknown axis, an axis that is used twice, or a dimension that cannot be split evenly.
   */
  shard(tensor: tf.Tensor, spec: ShardingSpec): Promise<void>;
  /** How a tensor is split; undefined: it is on one device, or not on a device yet. */
  shardingOf(tensor: tf.Tensor): ShardingSpec | undefined;
  /** Bytes of a tensor's values on each device, in the order of the mesh. Those of one device are on the first. */
  bytesPerDevice(tensor: tf.Tensor): readonly number[];
}
