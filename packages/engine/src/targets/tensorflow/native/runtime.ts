import { EngineError } from '@graft/errors';
import type { NativeLibrary } from '../../../setup';
import { loadTensorFlowApi, type TensorFlowApi } from './api';
import { mallopt } from './allocator';
import { readNative, writeNative, type Pointer } from '../../../foreign/memory';
import { withoutNativeChatter } from './without-chatter';
import { LargePages } from './large-pages';
import { elementCount } from '../../../shape';
import { dtypeAttribute, type OpAttribute } from '../../../kernels/attributes';
import type { EagerRuntime, RuntimeTensor } from '../../../target/runtime';
import { eagerSetters, setAttribute, type AttributeSetters } from './set-attribute';
import { OperationQueue } from './operation-queue';
import { checkVersion } from './version';
import { dtypeBytes, dtypeName } from '../../../kernels/dtypes';
import { int64Array } from './int64-array';
import { integerField } from '../../../foreign/protobuf';
import { outOfMemory } from '../../../target/out-of-memory';
import { tensorFlowError } from './tensorflow-error';

/** A native tensor: the handle and what is known about it. */
export interface NativeTensor extends RuntimeTensor {
  /**
   * Handle of the value, or of a variable that contains it, into whose memory a compiled function may write the next
   * value.
   */
  handle: Pointer;
  inVariable?: boolean;
  /** The operation that computes the value, while it is in the queue (`enqueue`) and nobody has waited for it. */
  pending?: string;
}

/** The name that makes TensorFlow's variable live as long as its handle. */
const ANONYMOUS = 'cd2c89b7-88b7-44c8-ad83-06c2a9158347';

/** ConfigProto { 2: intra_op_parallelism_threads, 5: inter_op_parallelism_threads } */
function configProto(threads: number): Uint8Array {
  return Uint8Array.from([...integerField(2, threads), ...integerField(5, threads)]);
}

/**
 * glibc parameter numbers: keep large freed blocks instead of returning each to the kernel, which costs page faults.
 */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_TOP_PAD = -2;

/**
 * TensorFlow in this process: one C API, one eager context. Every method that allocates native memory returns its owner
 * and counts it; `liveTensors` and `liveBytes` are exact.
 */
export class NativeRuntime implements EagerRuntime<NativeTensor> {
  readonly version: string;
  liveTensors = 0;
  liveBytes = 0;
  private readonly largePages = LargePages.ofSystem();
  private readonly status: Pointer;
  readonly context: Pointer;
  private readonly queue: OperationQueue;
  private readonly setters: AttributeSetters;

  private constructor(
    readonly api: TensorFlowApi,
    readonly library: NativeLibrary,
    readonly threads: number,
  ) {
    this.version = api.TF_Version();
    checkVersion(this.version, library);
    this.status = api.TF_NewStatus();
    const options = api.TFE_NewContextOptions();
    const proto = configProto(threads);
    api.TFE_ContextOptionsSetConfig(options, proto, proto.length, this.status);
    this.check('setting the thread count');
    this.context = api.TFE_NewContext(options, this.status);
    this.check('making an execution context');
    api.TFE_DeleteContextOptions(options);
    this.queue = new OperationQueue(api, this.context, this.status);
    this.setters = eagerSetters(api);
  }

  static load(library: NativeLibrary, threads: number): NativeRuntime {
    // The library reads it while it loads: 2 keeps errors and suppresses the notes on processor features.
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
    const runtime = withoutNativeChatter(
      () => new NativeRuntime(loadTensorFlowApi(library.framework, library.cc), library, threads),
    );
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 2 ** 31 - 1);
    mallopt(M_TOP_PAD, 64 << 20);
    return runtime;
  }

  /** Throws the error that the last call left in the shared status, naming the operation. */
  check(operation: string, status: Pointer = this.status): void {
    const code = this.api.TF_GetCode(status);
    if (code === 0) return;
    throw tensorFlowError(operation, code, this.api.TF_Message(status));
  }

  get sharedStatus(): Pointer {
    return this.status;
  }

  /** A native tensor with these bytes. */
  createTensor(shape: readonly number[], dtype: number, bytes: Uint8Array): NativeTensor {
    return this.take(this.createHostTensor(shape, dtype, bytes), dtype, shape);
  }

  /** The native tensor of a TF_Tensor, which is deleted. */
  private take(tensor: Pointer, dtype: number, shape: readonly number[]): NativeTensor {
    const handle = this.api.TFE_NewTensorHandle(tensor, this.status);
    this.api.TF_DeleteTensor(tensor);
    this.check('creating a tensor');
    return this.own(handle, dtype, [...shape]);
  }

  /** A TF_Tensor without values, and the address of its memory. */
  private allocate(shape: readonly number[], dtype: number, bytes: number): { tensor: Pointer; data: Pointer } {
    const tensor = this.api.TF_AllocateTensor(dtype, int64Array(shape), shape.length, bytes);
    if (!tensor) throw outOfMemory('creating a tensor', bytes);
    const data = this.api.TF_TensorData(tensor);
    this.largePages.prepare(data, bytes);
    return { tensor, data };
  }

  /** A TF_Tensor that the caller deletes. */
  createHostTensor(shape: readonly number[], dtype: number, bytes: Uint8Array): Pointer {
    const expected = elementCount(shape) * dtypeBytes(dtype);
    if (bytes.byteLength !== expected) {
      throw new EngineError(
        `A ${dtypeName(dtype)} tensor of shape [${shape.join(', ')}] takes ${expected} bytes, but ${bytes.byteLength} were given.`,
        { code: 'engine.tensor-size' },
      );
    }
    const { tensor, data } = this.allocate(shape, dtype, expected);
    writeNative(data, bytes);
    return tensor;
  }

  /** A tensor whose values the caller writes to `data`: `finish` returns it, `abandon` frees the memory. */
  emptyTensor(
    shape: readonly number[],
    dtype: number,
  ): { readonly data: Pointer; finish(): NativeTensor; abandon(): void } {
    const { tensor, data } = this.allocate(shape, dtype, elementCount(shape) * dtypeBytes(dtype));
    return {
      data,
      finish: () => this.take(tensor, dtype, shape),
      abandon: () => this.api.TF_DeleteTensor(tensor),
    };
  }

  /** The address of a tensor's values, valid until `release`; nothing is copied. Waits for an enqueued value. */
  async viewTensor(tensor: NativeTensor): Promise<{ readonly data: Pointer; release(): void }> {
    const resolved = tensor.pending === undefined ? this.resolve(tensor) : await this.resolvePending(tensor);
    return { data: this.api.TF_TensorData(resolved), release: () => this.api.TF_DeleteTensor(resolved) };
  }

  /** To be called before an operation allocates this many bytes that should be in large pages. */
  reserveLargePages(bytes: number): void {
    this.largePages.reserve(bytes);
  }

  /** A copy of the tensor's bytes. Waits until the value is computed. */
  readTensor(tensor: NativeTensor): Uint8Array {
    return this.takeBytes(this.resolve(tensor));
  }

  /** As `readTensor`, for an enqueued value: another thread waits for it. The tensor may be deleted meanwhile. */
  async readPending(tensor: NativeTensor): Promise<Uint8Array> {
    return this.takeBytes(await this.resolvePending(tensor));
  }

  /** A TF_Tensor with the tensor's value, which the caller deletes. */
  private resolve(tensor: NativeTensor): Pointer {
    const handle = tensor.inVariable ? this.readVariable(tensor) : tensor.handle;
    const resolved = this.api.TFE_TensorHandleResolve(handle, this.status);
    if (tensor.inVariable) this.api.TFE_DeleteTensorHandle(handle);
    this.checkValue(tensor, this.status);
    return resolved;
  }

  private async resolvePending(tensor: NativeTensor): Promise<Pointer> {
    const status = this.api.TF_NewStatus();
    const handle = this.api.TFE_TensorHandleCopySharingTensor(tensor.handle, status);
    try {
      this.check('waiting for a tensor', status);
      const resolved = await new Promise<Pointer>((resolve, reject) => {
        this.api.TFE_TensorHandleResolve.async(handle, status, (error, value) => {
          if (error)
            reject(new EngineError('A tensor could not be waited for.', { code: 'engine.start', cause: error }));
          else resolve(value);
        });
      });
      this.checkValue(tensor, status);
      return resolved;
    } finally {
      if (handle) this.api.TFE_DeleteTensorHandle(handle);
      this.api.TF_DeleteStatus(status);
    }
  }

  /** Throws the error because of which a tensor has no value; a queue that stopped for it continues. */
  private checkValue(tensor: NativeTensor, status: Pointer): void {
    if (this.api.TF_GetCode(status) !== 0) this.queue.clearError();
    this.check(tensor.pending ?? 'reading a tensor', status);
    tensor.pending = undefined;
  }

  private takeBytes(resolved: Pointer): Uint8Array {
    const bytes = readNative(this.api.TF_TensorData(resolved), this.api.TF_TensorByteSize(resolved));
    this.api.TF_DeleteTensor(resolved);
    return bytes;
  }

  deleteTensor(tensor: NativeTensor): void {
    this.api.TFE_DeleteTensorHandle(tensor.handle);
    this.liveTensors--;
    this.liveBytes -= tensor.bytes;
  }

  /** After a failure that may have freed a variable's memory: the variable is not used again. */
  abandon(tensor: NativeTensor): void {
    if (!tensor.inVariable) return this.deleteTensor(tensor);
    this.liveTensors--;
    this.liveBytes -= tensor.bytes;
  }

  /** A separate tensor with the same value, which is copied only when one of the two is written to. */
  share(tensor: NativeTensor): NativeTensor {
    const [copy] = this.execute('Identity', [dtypeAttribute('T', tensor.dtype)], [tensor], 1);
    return copy;
  }

  /** Puts a tensor's value into a variable, where a function that takes it by reference replaces it. Nothing is copied. */
  moveToVariable(tensor: NativeTensor): void {
    if (tensor.inVariable) return;
    const { dtype, shape } = tensor;
    const [variable] = this.executeRaw(
      'VarHandleOp',
      [
        dtypeAttribute('dtype', dtype),
        { name: 'shape', type: 5, value: shape },
        { name: 'shared_name', type: 0, value: ANONYMOUS },
      ],
      [],
    );
    this.executeRaw('AssignVariableOp', [dtypeAttribute('dtype', dtype)], [variable, tensor.handle], 0);
    this.api.TFE_DeleteTensorHandle(tensor.handle);
    tensor.handle = variable;
    tensor.inVariable = true;
  }

  /** A handle of a variable's value, which the caller deletes. */
  private readVariable({ handle, dtype }: NativeTensor): Pointer {
    return this.executeRaw('ReadVariableOp', [dtypeAttribute('dtype', dtype)], [handle])[0];
  }

  /** Works on handles; the caller owns those of the results. */
  private executeRaw(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly Pointer[],
    outputCount = 1,
  ): Pointer[] {
    const op = this.api.TFE_NewOp(this.context, name, this.status);
    this.check(name);
    try {
      for (const attribute of attributes) setAttribute(this.setters, op, attribute, name, this.status);
      this.check(name);
      for (const input of inputs) this.api.TFE_OpAddInput(op, input, this.status);
      const outputs = new BigUint64Array(Math.max(1, outputCount));
      this.api.TFE_Execute(op, outputs, Int32Array.of(outputCount), this.status);
      this.check(name);
      return [...outputs].slice(0, outputCount);
    } finally {
      this.api.TFE_DeleteOp(op);
    }
  }

  /** Runs one operation (or function) now. `byReference`: inputs that are passed as variables, by position. */
  execute(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly NativeTensor[],
    outputCount: number,
    byReference?: ReadonlySet<number>,
  ): NativeTensor[] {
    const op = this.prepare(name, attributes, inputs, this.status, byReference);
    const outputs = new BigUint64Array(Math.max(1, outputCount));
    const count = Int32Array.of(outputCount);
    try {
      this.api.TFE_Execute(op, outputs, count, this.status);
      this.check(name);
    } finally {
      this.api.TFE_DeleteOp(op);
    }
    return this.collect(outputs, count[0]);
  }

  /**
   * As `execute`, on a separate thread. Inputs may be disposed as soon as this returns: the operation keeps references
   * to them.
   */
  async executeAsync(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly NativeTensor[],
    outputCount: number,
    byReference?: ReadonlySet<number>,
  ): Promise<NativeTensor[]> {
    // The status is written by another thread, so it cannot be the shared one.
    const status = this.api.TF_NewStatus();
    try {
      const op = this.prepare(name, attributes, inputs, status, byReference);
      const outputs = new BigUint64Array(Math.max(1, outputCount));
      const count = Int32Array.of(outputCount);
      try {
        await new Promise<void>((resolve, reject) => {
          this.api.TFE_Execute.async(op, outputs, count, status, (error) => {
            if (error) reject(new EngineError(`${name} could not be started.`, { code: 'engine.start', cause: error }));
            else resolve();
          });
        });
        this.check(name, status);
      } finally {
        this.api.TFE_DeleteOp(op);
      }
      return this.collect(outputs, count[0]);
    } finally {
      this.api.TF_DeleteStatus(status);
    }
  }

  /**
   * As `execute`, but returns once the operation is in the queue: it starts when the operations enqueued before it are
   * done and its inputs are computed. `label` names it in the error that reading a result throws if it fails;
   * operations enqueued after it then fail too, until a result is read.
   */
  enqueue(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly NativeTensor[],
    results: readonly { readonly dtype: number; readonly shape: readonly number[] }[],
    label: string,
  ): NativeTensor[] {
    const { api } = this;
    const outputs = new BigUint64Array(Math.max(1, results.length));
    this.queue.start(() => {
      const op = this.prepare(name, attributes, inputs, this.status);
      api.TFE_Execute(op, outputs, Int32Array.of(results.length), this.status);
      api.TFE_DeleteOp(op);
      return api.TF_GetCode(this.status) === 0;
    });
    this.check(name);
    return results.map(({ dtype, shape }, i) => ({ ...this.own(outputs[i], dtype, [...shape]), pending: label }));
  }

  /** Waits until the queue is empty. A failed operation is reported when its result is read. */
  drain(): void {
    this.queue.drain();
  }

  private prepare(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly NativeTensor[],
    status: Pointer,
    byReference?: ReadonlySet<number>,
  ): Pointer {
    const op = this.api.TFE_NewOp(this.context, name, status);
    this.check(name, status);
    try {
      for (const attribute of attributes) setAttribute(this.setters, op, attribute, name, status);
      this.check(name, status);
      inputs.forEach((input, i) => {
        if (byReference?.has(i)) this.moveToVariable(input);
        const read = input.inVariable && !byReference?.has(i);
        const handle = read ? this.readVariable(input) : input.handle;
        this.api.TFE_OpAddInput(op, handle, status);
        if (read) this.api.TFE_DeleteTensorHandle(handle);
        if (this.api.TF_GetCode(status) !== 0) this.check(name, status);
      });
    } catch (error) {
      this.api.TFE_DeleteOp(op);
      throw error;
    }
    return op;
  }

  private collect(outputs: BigUint64Array, count: number): NativeTensor[] {
    const tensors: NativeTensor[] = [];
    for (let i = 0; i < count; i++) {
      const handle = outputs[i];
      const rank = this.api.TFE_TensorHandleNumDims(handle, this.status);
      const shape = new Array<number>(rank);
      for (let axis = 0; axis < rank; axis++)
        shape[axis] = Number(this.api.TFE_TensorHandleDim(handle, axis, this.status));
      tensors.push(this.own(handle, this.api.TFE_TensorHandleDataType(handle), shape));
    }
    return tensors;
  }

  private own(handle: Pointer, dtype: number, shape: number[]): NativeTensor {
    const bytes = elementCount(shape) * dtypeBytes(dtype);
    this.liveTensors++;
    this.liveBytes += bytes;
    return { handle, dtype, shape, bytes };
  }
}
