import { NodeJSKernelBackend } from '../../vendor/node-kernels';
import { EngineError } from '@graft/errors';
import { tf } from '../tf';
import type { Value } from '../program/program';
import type { Tracer } from './tracer';
import { dtypeName } from '../kernels/dtypes';
import type { KernelBinding, TensorMetadata } from './binding';
import type { OpAttribute } from '../kernels/attributes';
import type { EagerRuntime, RuntimeTensor } from '../target/runtime';

/** The record that NodeJSKernelBackend keeps for each tensor. */
interface TensorData {
  shape: number[];
  dtype: number;
  /** Host values that are not uploaded yet, or null. */
  values: ArrayLike<number | bigint | boolean> | null;
  id: number;
  refCount: number;
  /** The trace during which host values were given; they are constants of that trace alone. */
  writtenIn?: Tracer;
}

/** Whether tfjs knows a living tensor with that data, on whichever backend. */
function isAlive(dataId: object): boolean {
  const { state } = tf.engine() as unknown as { state: { tensorInfo: WeakMap<object, object> } };
  return state.tensorInfo.has(dataId);
}

/** Private members of NodeJSKernelBackend that this class builds on; the pinned version 4.22.0 is the last one. */
interface Internals {
  tensorMap: { get(dataId: object): TensorData; has(dataId: object): boolean };
  createOutputTensor(metadata: TensorMetadata): tf.Tensor;
  getInputTensorIds(tensors: readonly tf.TensorInfo[]): number[];
}

/** tfjs-node's backend, aware of traces. */
export class GraftBackend<
  T extends RuntimeTensor = RuntimeTensor,
  R extends EagerRuntime<T> = EagerRuntime<T>,
> extends NodeJSKernelBackend {
  /** Ids of captured tensors in the active trace. */
  private captureIds = new Map<object, number>();
  declare readonly binding: KernelBinding<T, R>;

  constructor(binding: KernelBinding<T, R>) {
    super(binding, '@tensorflow/tfjs-node-gpu');
    const internals = this.internals;
    const inherited = internals.getInputTensorIds.bind(this);
    internals.getInputTensorIds = (tensors) => {
      const tracer = this.binding.activeTracer;
      return tracer ? tensors.map((tensor) => this.idInTrace(tensor, tracer, inherited)) : inherited(tensors);
    };
  }

  private get internals(): Internals {
    return this as unknown as Internals;
  }

  override move(
    dataId: object,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    super.move(dataId, values, shape, dtype, refCount);
    const tracer = this.binding.activeTracer;
    // What moves here from another backend existed before the trace.
    if (tracer && !isAlive(dataId)) this.internals.tensorMap.get(dataId).writtenIn = tracer;
  }

  /** Waits for values that are still being computed (`Jitted.enqueue`) without blocking the event loop. */
  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    const { tensorMap } = this.internals;
    const data = tensorMap.has(dataId) ? tensorMap.get(dataId) : undefined;
    const pending = data?.values === null ? this.binding.pendingData(data.id) : undefined;
    return pending ? ((await pending) as tf.backend_util.BackendValues) : super.read(dataId);
  }

  /** Runs an operation by its TensorFlow name, for kernels of our own. */
  run(op: string, attributes: readonly OpAttribute[], inputs: readonly tf.TensorInfo[], outputCount = 1): tf.Tensor[] {
    return this.binding
      .executeOp(op, attributes, this.internals.getInputTensorIds(inputs), outputCount)
      .map((metadata) => this.internals.createOutputTensor(metadata));
  }

  /** Ids of tensors, for kernels that chain operations on dtypes that tfjs does not support. */
  ids(inputs: readonly tf.TensorInfo[]): number[] {
    return this.internals.getInputTensorIds(inputs);
  }

  /** The tensor behind an id of the binding. */
  wrap(metadata: TensorMetadata): tf.Tensor {
    return this.internals.createOutputTensor(metadata);
  }

  /** The native tensor behind a tfjs tensor; host values are uploaded first, by `create` if it is given. */
  nativeOf(dataId: object, operation: string, create?: R['createTensor']): T {
    const { tensorMap } = this.internals;
    if (!tensorMap.has(dataId)) this.moveHere(dataId);
    if (!tensorMap.has(dataId)) {
      throw new EngineError(`${operation} uses a tensor that has been disposed.`, { code: 'engine.disposed' });
    }
    const data = tensorMap.get(dataId);
    this.upload(data, create);
    return this.binding.native(data.id, operation);
  }

  /** As tfjs's own operations do it: a tensor that was made on another backend moves to this one. */
  private moveHere(dataId: object): void {
    if (isAlive(dataId)) tf.engine().moveData(this as unknown as tf.KernelBackend, dataId);
  }

  /** The native tensor behind a tfjs tensor; undefined if it is disposed, or its values are still on the host. */
  uploaded(dataId: object): T | undefined {
    const { tensorMap } = this.internals;
    const data = tensorMap.has(dataId) ? tensorMap.get(dataId) : undefined;
    return data?.values === null ? this.binding.native(data.id, 'looking at a tensor') : undefined;
  }

  /** The native tensor behind a tfjs tensor, which is disposed: the caller owns it. Shared ones stay, and are not copied. */
  donate(tensor: tf.Tensor, operation: string): T {
    const native = this.nativeOf(tensor.dataId, operation);
    const data = this.internals.tensorMap.get(tensor.dataId);
    const own = data.refCount === 1 ? this.binding.release(data.id) : this.binding.runtime.share(native);
    tensor.dispose();
    return own;
  }

  /** The value of the active trace behind a tensor; outside tensors become captures. */
  traceValue(tensor: tf.TensorInfo, tracer: Tracer): Value {
    return this.binding.value(this.internals.getInputTensorIds([tensor])[0], 'return', tracer);
  }

  /** Runs `fn` while `tracer` records it. */
  tracing<V>(tracer: Tracer, fn: () => V): V {
    const outer = this.captureIds;
    this.captureIds = new Map();
    try {
      return this.binding.tracing(tracer, fn);
    } finally {
      for (const id of this.captureIds.values()) this.binding.deleteTensor(id);
      this.captureIds = outer;
    }
  }

  private upload(data: TensorData, create?: R['createTensor']): void {
    if (data.values === null) return;
    data.id = this.binding.createNativeTensor(data.shape, data.dtype, data.values, create);
    data.values = null;
  }

  private idInTrace(
    tensor: tf.TensorInfo,
    tracer: Tracer,
    inherited: (tensors: readonly tf.TensorInfo[]) => number[],
  ): number {
    const known = this.captureIds.get(tensor.dataId);
    if (known !== undefined) return known;
    if (!this.internals.tensorMap.has(tensor.dataId)) this.moveHere(tensor.dataId);
    const data = this.internals.tensorMap.has(tensor.dataId) ? this.internals.tensorMap.get(tensor.dataId) : undefined;
    if (!data && (tensor as Partial<tf.Tensor>).isDisposed) {
      throw new EngineError(`A tensor was used inside jit "${tracer.name}" after it was disposed.`, {
        code: 'engine.disposed',
      });
    }
    // Created in this trace (host values become a constant), or an int64 helper of tfjs-node: handled as usual.
    if (!data || (data.values !== null && data.writtenIn === tracer) || this.binding.isTraced(data.id))
      return inherited([tensor])[0];
    this.upload(data);
    const value = tracer.capture(tensor.dataId, { dtype: dtypeName(data.dtype), shape: [...tensor.shape] });
    const id = this.binding.addValue(value, tracer).id;
    this.captureIds.set(tensor.dataId, id);
    return id;
  }
}
