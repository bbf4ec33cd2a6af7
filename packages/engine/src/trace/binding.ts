import { EngineError } from '@graft/errors';
import { valueInTrace } from '../value-in-trace';
import type { Value } from '../program/program';
import type { Tracer } from './tracer';
import { dtypeName, TF, tensorFlowType, toBytes } from '../kernels/dtypes';
import { fromBytes } from '../program/bytes';
import { programAttributes, type OpAttribute } from '../kernels/attributes';
import type { EagerRuntime, RuntimeTensor } from '../target/runtime';

/** What a kernel receives for each output of an operation. */
export interface TensorMetadata {
  id: number;
  dtype: number;
  shape: number[];
}

/** A tensor id stands for a native tensor, or, while a function is traced, for a value of the trace. */
type Entry<T> = { readonly native: T } | { readonly value: Value; readonly tracer: Tracer };

/** The kernel that is running, for error messages; tfjs does not pass it to bindings. */
let currentKernel: string | undefined;

export function withKernelName<T>(name: string, fn: () => T): T {
  const outer = currentKernel;
  // The outermost name is the operation that the caller wrote.
  currentKernel ??= name;
  try {
    return fn();
  } finally {
    currentKernel = outer;
  }
}

/**
 * tfjs-node's binding (`TFJSBinding`: ten methods and some constants) over a target's runtime. While a Tracer is active, operations
 * are recorded instead of executed; kernels do not need to know.
 */
export class KernelBinding<T extends RuntimeTensor = RuntimeTensor, R extends EagerRuntime<T> = EagerRuntime<T>> {
  readonly TF_FLOAT = TF.FLOAT;
  readonly TF_INT32 = TF.INT32;
  readonly TF_INT64 = TF.INT64;
  readonly TF_BOOL = TF.BOOL;
  readonly TF_COMPLEX64 = TF.COMPLEX64;
  readonly TF_STRING = TF.STRING;
  readonly TF_RESOURCE = TF.RESOURCE;
  readonly TF_UINT8 = TF.UINT8;
  readonly TF_ATTR_STRING = 0;
  readonly TF_ATTR_INT = 1;
  readonly TF_ATTR_FLOAT = 2;
  readonly TF_ATTR_BOOL = 3;
  readonly TF_ATTR_TYPE = 4;
  readonly TF_ATTR_SHAPE = 5;
  readonly TF_ATTR_RESOURCE = 6;
  readonly TF_Version: string;

  private readonly entries = new Map<number, Entry<T>>();
  private nextId = 1;
  private tracer: Tracer | undefined;

  constructor(readonly runtime: R) {
    this.TF_Version = runtime.version;
  }

  get activeTracer(): Tracer | undefined {
    return this.tracer;
  }

  /** Makes `tracer` record everything that `fn` executes. */
  tracing<T>(tracer: Tracer, fn: () => T): T {
    const outer = this.tracer;
    this.tracer = tracer;
    try {
      return fn();
    } finally {
      this.tracer = outer;
    }
  }

  isUsingGpuDevice(): boolean {
    return false;
  }

  getNumOfTensors(): number {
    return this.entries.size;
  }

  getNumOfSavedModels(): number {
    return 0;
  }

  createTensor(shape: readonly number[], dtype: number, values: ArrayLike<number | bigint | boolean>): number {
    const bytes = toBytes(values, dtype);
    const tracer = this.tracer;
    return this.add(
      tracer
        ? { value: tracer.constant({ dtype: dtypeName(dtype), shape: [...shape] }, bytes), tracer }
        : { native: this.runtime.createTensor(shape, dtype, bytes) },
    );
  }

  /** As `createTensor`, but a real tensor even while tracing: for values that existed before the trace. */
  createNativeTensor(
    shape: readonly number[],
    dtype: number,
    values: ArrayLike<number | bigint | boolean>,
    create: EagerRuntime<T>['createTensor'] = this.runtime.createTensor.bind(this.runtime),
  ): number {
    return this.add({ native: create(shape, dtype, toBytes(values, dtype)) });
  }

  deleteTensor(id: number): void {
    const entry = this.entries.get(id);
    if (!entry) return;
    this.entries.delete(id);
    if ('native' in entry) this.runtime.deleteTensor(entry.native);
  }

  tensorDataSync(id: number): ReturnType<typeof fromBytes> {
    const entry = this.entry(id);
    if ('value' in entry) {
      const by = currentKernel ? `${currentKernel} reads` : 'dataSync(), data(), array() or print() read';
      throw valueInTrace(by, entry.tracer.name);
    }
    return fromBytes(this.runtime.readTensor(entry.native), dtypeName(entry.native.dtype));
  }

  /**
   * As `tensorDataSync`, without blocking the event loop, for a value that is still being computed; undefined for
   * others.
   */
  pendingData(id: number): Promise<ReturnType<typeof fromBytes>> | undefined {
    const entry = this.entry(id);
    if ('value' in entry || entry.native.pending === undefined) return undefined;
    const { native } = entry;
    return this.runtime.readPending(native).then((bytes) => fromBytes(bytes, dtypeName(native.dtype)));
  }

  executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputIds: readonly number[],
    outputCount: number,
  ): TensorMetadata[] {
    const tracer = this.tracer;
    if (!tracer) {
      const outputs = this.runtime.execute(
        name,
        attributes,
        inputIds.map((id) => this.native(id, name)),
        outputCount,
      );
      return outputs.map((native) => this.describe(native.dtype, native.shape, { native }));
    }
    const inputs = inputIds.map((id) => this.value(id, name, tracer));
    return tracer
      .operation(name, programAttributes(name, attributes), inputs, outputCount)
      .map((value) => this.addValue(value, tracer));
  }

  /** Forgets an id; the caller then owns the native tensor behind it. */
  release(id: number): T {
    const native = this.native(id, 'release');
    this.entries.delete(id);
    return native;
  }

  adopt(native: T): TensorMetadata {
    return this.describe(native.dtype, native.shape, { native });
  }

  /** An id for a value of the active trace. */
  addValue(value: Value, tracer: Tracer): TensorMetadata {
    return this.describe(tensorFlowType(value.dtype), [...value.shape], { value, tracer });
  }

  /** Whether the id refers to a value of a trace. */
  isTraced(id: number): boolean {
    const entry = this.entries.get(id);
    return entry !== undefined && 'value' in entry;
  }

  native(id: number, operation: string): T {
    const entry = this.entry(id);
    if ('native' in entry) return entry.native;
    throw new EngineError(`${operation} was given a tensor from inside jit "${entry.tracer.name}", which has ended.`, {
      code: 'engine.escaped-tensor',
      hint: 'A compiled function hands tensors out by returning them; storing one elsewhere keeps a name without a value.',
    });
  }

  value(id: number, operation: string, tracer: Tracer): Value {
    const entry = this.entry(id);
    if ('value' in entry) {
      if (entry.tracer === tracer) return entry.value;
      throw new EngineError(
        `${operation} inside jit "${tracer.name}" was given a tensor of jit "${entry.tracer.name}".`,
        {
          code: 'engine.escaped-tensor',
        },
      );
    }
    throw new EngineError(`${operation} inside jit "${tracer.name}" was given a native tensor by its id.`, {
      code: 'engine.raw-capture',
    });
  }

  private entry(id: number): Entry<T> {
    const entry = this.entries.get(id);
    if (!entry) throw new EngineError('A tensor was used after it was disposed.', { code: 'engine.disposed' });
    return entry;
  }

  private add(entry: Entry<T>): number {
    const id = this.nextId++;
    this.entries.set(id, entry);
    return id;
  }

  private describe(dtype: number, shape: number[], entry: Entry<T>): TensorMetadata {
    return { id: this.add(entry), dtype, shape };
  }
}
