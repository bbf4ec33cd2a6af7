import { WorkersError } from '@graft/errors';
import type { NativeBackend } from '../targets/tensorflow/tensorflow-target';
import { TF } from '../kernels/dtypes';
import { dtypeAttribute, type OpAttribute } from '../kernels/attributes';
import type { NativeTensor } from '../targets/tensorflow/native/runtime';
import { tf } from '../tf';
import { planBuckets, type Bucket } from './buckets';
import { ChannelGroup } from './channel-group';
import type { ControlChannel } from './control/channel';
import { OrderedQueue } from './ordered-queue';
import type { TensorSpec } from './types';
import { elementCount } from '../shape';

/**
 * Maximum number of concurrent collective operations: one is sent while another is packed. Each takes one of Node's
 * four threads.
 */
const AT_A_TIME = 2;
const ALL_WORKERS_KEY = 1;
const FLOAT_BYTES = 4;
const UNAVAILABLE = 14;
/** Instance keys of different groups must differ; each group has a range of this size. */
const KEYS_A_GROUP = 1 << 20;

const DTYPES = { float32: TF.FLOAT, int32: TF.INT32 } as const;
type Dtype = keyof typeof DTYPES;

/** The processes that take part in an operation, by TensorFlow's keys. */
interface CollectiveGroup {
  readonly key: number;
  readonly size: number;
}

/** A group over TensorFlow's collective operations: ring all-reduce, tree broadcast. */
export class TensorFlowGroup extends ChannelGroup {
  private readonly bucketElements: number;
  private readonly queue = new OrderedQueue(AT_A_TIME);
  /** A repeated operation keeps its key: TensorFlow makes the members of the ring agree on each new one. */
  private readonly instances = new Map<string, number>();
  private readonly counters = new Map<number, number>();
  private timeoutSeconds = 0;

  constructor(
    private readonly native: NativeBackend,
    channel: ControlChannel,
    { workers, rank, bucketBytes }: { workers: readonly string[]; rank: number; bucketBytes: number },
  ) {
    super(channel, workers, rank);
    this.bucketElements = Math.max(1, Math.floor(bucketBytes / FLOAT_BYTES));
    channel.lost.addEventListener('abort', () => this.releaseOperations((channel.lost.reason as Error).message), {
      once: true,
    });
  }

  /** Workers that have met may still be unable to reach each other's ports for tensors. */
  async firstContact(timeoutSeconds: number): Promise<void> {
    this.timeoutSeconds = timeoutSeconds;
    const one = tf.scalar(1);
    try {
      const [sum] = await this.sum([one]);
      sum.dispose();
    } catch (cause) {
      if (this.lost.aborted) throw cause;
      throw new WorkersError(
        `Worker ${this.rank} (${this.addresses[this.rank]}) reaches no other's tensors: ${(cause as Error).message}`,
        {
          code: 'workers.unreachable',
          hint: 'Tensors travel between any two workers, to the listed ports and to a free one of worker 0; no firewall may be between them.',
          cause,
        },
      );
    } finally {
      this.timeoutSeconds = 0;
    }
  }

  async sum(tensors: readonly tf.Tensor[]): Promise<tf.Tensor[]> {
    try {
      this.channel.check();
      const odd = tensors.find(({ dtype }) => dtype !== 'float32');
      if (odd) throw new WorkersError(`Workers sum float32 tensors, not ${odd.dtype}.`, { code: 'workers.dtype' });
    } catch (error) {
      tf.dispose([...tensors]);
      throw error;
    }
    const collectiveGroup = { key: ALL_WORKERS_KEY, size: this.count };
    const sums: tf.Tensor[] = tensors.map((tensor) => (tensor.size === 0 ? tensor.clone() : tensor));
    const buckets = this.buckets(tensors);
    const keys = buckets.map((bucket, i) => this.instance(collectiveGroup, `sum ${i} ${bucket.elements}`));
    try {
      await this.all(
        buckets.map((bucket, i) => async () => {
          const packed = pack(bucket, tensors);
          for (const member of bucket.members) tensors[member].dispose();
          const summed = await this.operation(
            'CollectiveReduceV2',
            [
              dtypeAttribute('T', TF.FLOAT),
              { name: 'merge_op', type: 0, value: 'Add' },
              { name: 'final_op', type: 0, value: 'Id' },
            ],
            collectiveGroup,
            keys[i],
            packed,
          );
          unpack(summed, bucket, tensors, sums);
        }),
      );
      return sums;
    } catch (error) {
      tf.dispose([...tensors, ...sums]);
      throw error;
    }
  }

  async broadcast<T extends TensorSpec>(tensors: readonly T[], from: number): Promise<tf.Tensor[]> {
    return this.transfer(tensors, from, { key: ALL_WORKERS_KEY, size: this.count });
  }

  async send(tensor: tf.Tensor, to: number): Promise<void> {
    await this.transfer([tensor], this.rank, this.pair(this.rank, to));
  }

  async receive(spec: TensorSpec, from: number): Promise<tf.Tensor> {
    const [tensor] = await this.transfer([spec], from, this.pair(from, this.rank));
    return tensor;
  }

  override async leave(): Promise<void> {
    await this.queue.drained();
    await super.leave();
  }

  private async transfer(
    specs: readonly TensorSpec[],
    from: number,
    collectiveGroup: CollectiveGroup,
  ): Promise<tf.Tensor[]> {
    this.channel.check();
    const sends = from === this.rank;
    const buckets = this.buckets(specs);
    const keys = buckets.map(({ elements, members }, i) =>
      this.instance(collectiveGroup, `from ${from} ${i} ${specs[members[0]].dtype} ${elements}`),
    );
    const arrived: tf.Tensor[] = specs.map((spec) => (sends ? (spec as unknown as tf.Tensor) : tf.zeros([0])));
    try {
      await this.all(
        buckets.map((bucket, i) => async () => {
          const dtype = DTYPES[specs[bucket.members[0]].dtype as Dtype];
          const type = dtypeAttribute('T', dtype);
          if (sends) {
            const packed = pack(bucket, specs as unknown as tf.Tensor[]);
            const echo = await this.operation('CollectiveBcastSendV2', [type], collectiveGroup, keys[i], packed);
            echo.dispose();
          } else {
            const attributes = [type, dtypeAttribute('Tshape', TF.INT32)];
            const received = await this.operation(
              'CollectiveBcastRecvV2',
              attributes,
              collectiveGroup,
              keys[i],
              bucket.elements,
            );
            unpack(received, bucket, specs, arrived);
          }
        }),
      );
    } catch (error) {
      if (!sends) tf.dispose(arrived);
      throw error;
    }
    if (sends) return arrived;
    return arrived.map((tensor, i) => (tensor.size === 0 ? reshaped(tensor, specs[i]) : tensor));
  }

  /**
   * Waits until every task has ended or failed. Throws the reason why the group has ended instead of the error of an
   * operation.
   */
  private async all(tasks: readonly (() => Promise<void>)[]): Promise<void> {
    const results = await Promise.allSettled(tasks.map((task) => this.queue.run(task)));
    const failed = results.find((result) => result.status === 'rejected');
    if (!failed) return;
    // TensorFlow's connections and the control channel break at the same time; the channel has the clear error.
    for (let waited = 0; waited < 40 && !this.lost.aborted; waited++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    this.channel.check();
    throw failed.reason;
  }

  /**
   * Runs a collective operation in another thread. Takes ownership of `input`; a number is the length of the tensor to
   * receive.
   */
  private async operation(
    name: string,
    attributes: readonly OpAttribute[],
    collectiveGroup: CollectiveGroup,
    instance: number,
    input: tf.Tensor | number,
  ): Promise<tf.Tensor> {
    const { backend, binding } = this.native;
    const { runtime } = binding;
    const made: NativeTensor[] = [];
    const int32 = (shape: number[], value: number): NativeTensor => {
      const tensor = runtime.createTensor(shape, TF.INT32, new Uint8Array(Int32Array.of(value).buffer));
      made.push(tensor);
      return tensor;
    };
    let running: Promise<NativeTensor[]>;
    try {
      if (this.lost.aborted) throw this.lost.reason;
      const group = [int32([], collectiveGroup.size), int32([], collectiveGroup.key), int32([], instance)];
      const inputs =
        typeof input === 'number' ? [...group, int32([1], input)] : [backend.nativeOf(input.dataId, name), ...group];
      const settings: OpAttribute[] = [
        { name: 'communication_hint', type: 0, value: 'auto' },
        { name: 'timeout_seconds', type: 2, value: this.timeoutSeconds },
      ];
      running = runtime.executeAsync(name, [...attributes, ...settings], inputs, 1);
    } finally {
      for (const tensor of made) runtime.deleteTensor(tensor);
      if (typeof input !== 'number') input.dispose();
    }
    const [output] = await running;
    return backend.wrap(binding.adopt(output));
  }

  private buckets(specs: readonly TensorSpec[]): Bucket[] {
    return planBuckets(
      specs.map(({ shape }) => elementCount(shape)),
      this.bucketElements,
      specs.map(({ dtype }) => dtype),
    );
  }

  private pair(a: number, b: number): CollectiveGroup {
    return { key: ALL_WORKERS_KEY + 1 + Math.min(a, b) * this.count + Math.max(a, b), size: 2 };
  }

  private instance({ key }: CollectiveGroup, operation: string): number {
    const name = `${key} ${operation}`;
    let instance = this.instances.get(name);
    if (instance === undefined) {
      const next = this.counters.get(key) ?? 0;
      this.counters.set(key, next + 1);
      this.instances.set(name, (instance = key * KEYS_A_GROUP + next));
    }
    return instance;
  }

  /** Without this, operations would wait for ever for a worker that is gone. */
  private releaseOperations(reason: string): void {
    const { api, context } = this.native.binding.runtime;
    const status = api.TF_NewStatus();
    api.TF_SetStatus(status, UNAVAILABLE, reason);
    api.TFE_AbortCollectiveOps(context, status);
    api.TF_DeleteStatus(status);
  }
}

/** The bucket's tensors as one vector, which the caller disposes. */
function pack({ members }: Bucket, tensors: readonly tf.Tensor[]): tf.Tensor {
  return tf.tidy(() => {
    const flat = members.map((member) => tensors[member].flatten());
    return flat.length === 1 ? flat[0] : tf.concat1d(flat as tf.Tensor1D[]);
  });
}

/**
 * Splits a vector into tensors shaped like the bucket's members, and replaces these in `tensors`. Takes ownership of
 * the vector.
 */
function unpack(vector: tf.Tensor, { members }: Bucket, specs: readonly TensorSpec[], tensors: tf.Tensor[]): void {
  const shapes = members.map((member) => [...specs[member].shape]);
  const parts = tf.tidy(() =>
    members.length === 1
      ? [vector.reshape(shapes[0])]
      : tf
          .split(
            vector,
            shapes.map((shape) => elementCount(shape)),
          )
          .map((part, i) => part.reshape(shapes[i])),
  );
  vector.dispose();
  members.forEach((member, i) => {
    tensors[member].dispose();
    tensors[member] = parts[i];
  });
}

function reshaped(empty: tf.Tensor, { shape, dtype }: TensorSpec): tf.Tensor {
  empty.dispose();
  return tf.zeros([...shape], dtype as Dtype);
}
