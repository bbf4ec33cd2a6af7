import { EngineError } from '@graft/errors';
import { koffi, type Koffi } from './koffi';

/** A pointer into native memory; 0n is null. */
export type Pointer = bigint;

/** An output of a graph operation, passed by value. */
export interface GraphOutput {
  oper: Pointer;
  index: number;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- koffi's functions are untyped; the interface below types them */

/**
 * The part of TensorFlow's C API that Graft calls: `TFE_*` executes eagerly, `TF_*` builds graphs and functions.
 * Sizes are in bytes, dims are int64, `status` is a TF_Status that the caller checks.
 */
export interface TensorFlowApi {
  TF_Version(): string;
  TF_NewStatus(): Pointer;
  TF_DeleteStatus(status: Pointer): void;
  TF_GetCode(status: Pointer): number;
  TF_SetStatus(status: Pointer, code: number, message: string): void;
  TF_Message(status: Pointer): string;
  TF_GetAllOpList(): Pointer;
  TF_DeleteBuffer(buffer: Pointer): void;

  TFE_NewContextOptions(): Pointer;
  TFE_ContextOptionsSetConfig(options: Pointer, proto: Uint8Array, length: number, status: Pointer): void;
  TFE_DeleteContextOptions(options: Pointer): void;
  TFE_NewContext(options: Pointer, status: Pointer): Pointer;
  TFE_ContextAddFunction(context: Pointer, fn: Pointer, status: Pointer): void;
  TFE_ContextRemoveFunction(context: Pointer, name: string, status: Pointer): void;
  TFE_EnableCollectiveOps(context: Pointer, proto: Uint8Array, length: number, status: Pointer): void;
  TFE_AbortCollectiveOps(context: Pointer, status: Pointer): void;
  TFE_NewExecutor(isAsync: number, streaming: number, inFlightLimit: number): Pointer;
  TFE_ExecutorClearError(executor: Pointer): void;
  TFE_ExecutorWaitForAllPendingNodes(executor: Pointer, status: Pointer): void;
  TFE_ContextSetExecutorForThread(context: Pointer, executor: Pointer): void;
  TFE_ContextGetExecutorForThread(context: Pointer): Pointer;

  TF_AllocateTensor(dtype: number, dims: BigInt64Array, rank: number, bytes: number): Pointer;
  TF_TensorData(tensor: Pointer): Pointer;
  TF_TensorByteSize(tensor: Pointer): number;
  TF_DeleteTensor(tensor: Pointer): void;

  TFE_NewTensorHandle(tensor: Pointer, status: Pointer): Pointer;
  TFE_DeleteTensorHandle(handle: Pointer): void;
  TFE_TensorHandleResolve: ((handle: Pointer, status: Pointer) => Pointer) & {
    async(handle: Pointer, status: Pointer, done: (error: unknown, tensor: Pointer) => void): void;
  };
  TFE_TensorHandleCopySharingTensor(handle: Pointer, status: Pointer): Pointer;
  TFE_TensorHandleNumDims(handle: Pointer, status: Pointer): number;
  TFE_TensorHandleDim(handle: Pointer, axis: number, status: Pointer): number;
  TFE_TensorHandleDataType(handle: Pointer): number;

  TFE_NewOp(context: Pointer, name: string, status: Pointer): Pointer;
  TFE_DeleteOp(op: Pointer): void;
  TFE_OpAddInput(op: Pointer, handle: Pointer, status: Pointer): void;
  TFE_OpSetAttrString(op: Pointer, name: string, value: string, length: number): void;
  TFE_OpSetAttrInt(op: Pointer, name: string, value: number): void;
  TFE_OpSetAttrFloat(op: Pointer, name: string, value: number): void;
  TFE_OpSetAttrBool(op: Pointer, name: string, value: number): void;
  TFE_OpSetAttrType(op: Pointer, name: string, value: number): void;
  TFE_OpSetAttrShape(op: Pointer, name: string, dims: BigInt64Array, rank: number, status: Pointer): void;
  TFE_OpSetAttrIntList(op: Pointer, name: string, values: BigInt64Array, count: number): void;
  TFE_OpSetAttrTypeList(op: Pointer, name: string, values: Int32Array, count: number): void;
  TFE_Execute: ((op: Pointer, outputs: BigUint64Array, count: Int32Array, status: Pointer) => void) & {
    async(
      op: Pointer,
      outputs: BigUint64Array,
      count: Int32Array,
      status: Pointer,
      done: (error: unknown) => void,
    ): void;
  };

  TF_NewGraph(): Pointer;
  TF_DeleteGraph(graph: Pointer): void;
  TF_NewOperation(graph: Pointer, type: string, name: string): Pointer;
  TF_AddInput(description: Pointer, input: GraphOutput): void;
  TF_AddInputList(description: Pointer, inputs: readonly GraphOutput[], count: number): void;
  TF_SetAttrString(description: Pointer, name: string, value: string, length: number): void;
  TF_SetAttrInt(description: Pointer, name: string, value: number): void;
  TF_SetAttrFloat(description: Pointer, name: string, value: number): void;
  TF_SetAttrBool(description: Pointer, name: string, value: number): void;
  TF_SetAttrType(description: Pointer, name: string, value: number): void;
  TF_SetAttrShape(description: Pointer, name: string, dims: BigInt64Array, rank: number): void;
  TF_SetAttrIntList(description: Pointer, name: string, values: BigInt64Array, count: number): void;
  TF_SetAttrTypeList(description: Pointer, name: string, values: Int32Array, count: number): void;
  TF_SetAttrTensor(description: Pointer, name: string, tensor: Pointer, status: Pointer): void;
  TF_FinishOperation(description: Pointer, status: Pointer): Pointer;
  TF_OperationOutputType(output: GraphOutput): number;
  TF_GraphGetTensorNumDims(graph: Pointer, output: GraphOutput, status: Pointer): number;
  TF_GraphGetTensorShape(graph: Pointer, output: GraphOutput, dims: BigInt64Array, rank: number, status: Pointer): void;
  TF_SetAttrFuncName(description: Pointer, name: string, value: string, length: number): void;
  TF_AddControlInput(description: Pointer, operation: Pointer): void;
  TF_GraphToFunctionWithControlOutputs(
    graph: Pointer,
    name: string,
    appendHash: number,
    operationCount: number,
    operations: null,
    inputCount: number,
    inputs: readonly GraphOutput[],
    outputCount: number,
    outputs: readonly GraphOutput[],
    outputNames: null,
    controlCount: number,
    controls: BigUint64Array,
    controlNames: null,
    options: null,
    description: string,
    status: Pointer,
  ): Pointer;
  TF_DeleteFunction(fn: Pointer): void;
}

const DECLARATIONS = [
  'const char *TF_Version()',
  'void *TF_NewStatus()',
  'void TF_DeleteStatus(void *)',
  'int TF_GetCode(void *)',
  'void TF_SetStatus(void *, int, const char *)',
  'const char *TF_Message(void *)',
  'void *TF_GetAllOpList()',
  'void TF_DeleteBuffer(void *)',
  'void *TFE_NewContextOptions()',
  'void TFE_ContextOptionsSetConfig(void *, const uint8_t *, size_t, void *)',
  'void TFE_DeleteContextOptions(void *)',
  'void *TFE_NewContext(void *, void *)',
  'void TFE_ContextAddFunction(void *, void *, void *)',
  'void TFE_ContextRemoveFunction(void *, const char *, void *)',
  'void TFE_EnableCollectiveOps(void *, const uint8_t *, size_t, void *)',
  'void TFE_AbortCollectiveOps(void *, void *)',
  'void *TFE_NewExecutor(uint8_t, uint8_t, int)',
  'void TFE_ExecutorClearError(void *)',
  'void TFE_ExecutorWaitForAllPendingNodes(void *, void *)',
  'void TFE_ContextSetExecutorForThread(void *, void *)',
  'void *TFE_ContextGetExecutorForThread(void *)',
  'void *TF_AllocateTensor(int, const int64_t *, int, size_t)',
  'void *TF_TensorData(void *)',
  'size_t TF_TensorByteSize(void *)',
  'void TF_DeleteTensor(void *)',
  'void *TFE_NewTensorHandle(void *, void *)',
  'void TFE_DeleteTensorHandle(void *)',
  'void *TFE_TensorHandleResolve(void *, void *)',
  'void *TFE_TensorHandleCopySharingTensor(void *, void *)',
  'int TFE_TensorHandleNumDims(void *, void *)',
  'int64_t TFE_TensorHandleDim(void *, int, void *)',
  'int TFE_TensorHandleDataType(void *)',
  'void *TFE_NewOp(void *, const char *, void *)',
  'void TFE_DeleteOp(void *)',
  'void TFE_OpAddInput(void *, void *, void *)',
  'void TFE_OpSetAttrString(void *, const char *, const char *, size_t)',
  'void TFE_OpSetAttrInt(void *, const char *, int64_t)',
  'void TFE_OpSetAttrFloat(void *, const char *, float)',
  'void TFE_OpSetAttrBool(void *, const char *, uint8_t)',
  'void TFE_OpSetAttrType(void *, const char *, int)',
  'void TFE_OpSetAttrShape(void *, const char *, const int64_t *, int, void *)',
  'void TFE_OpSetAttrIntList(void *, const char *, const int64_t *, int)',
  'void TFE_OpSetAttrTypeList(void *, const char *, const int *, int)',
  'void TFE_Execute(void *, void *, void *, void *)',
  'void *TF_NewGraph()',
  'void TF_DeleteGraph(void *)',
  'void *TF_NewOperation(void *, const char *, const char *)',
  'void TF_AddInput(void *, TF_Output)',
  'void TF_AddInputList(void *, const TF_Output *, int)',
  'void TF_SetAttrString(void *, const char *, const char *, size_t)',
  'void TF_SetAttrInt(void *, const char *, int64_t)',
  'void TF_SetAttrFloat(void *, const char *, float)',
  'void TF_SetAttrBool(void *, const char *, uint8_t)',
  'void TF_SetAttrType(void *, const char *, int)',
  'void TF_SetAttrShape(void *, const char *, const int64_t *, int)',
  'void TF_SetAttrIntList(void *, const char *, const int64_t *, int)',
  'void TF_SetAttrTypeList(void *, const char *, const int *, int)',
  'void TF_SetAttrTensor(void *, const char *, void *, void *)',
  'void *TF_FinishOperation(void *, void *)',
  'int TF_OperationOutputType(TF_Output)',
  'int TF_GraphGetTensorNumDims(void *, TF_Output, void *)',
  'void TF_GraphGetTensorShape(void *, TF_Output, void *, int, void *)',
  'void TF_SetAttrFuncName(void *, const char *, const char *, size_t)',
  'void TF_AddControlInput(void *, void *)',
  'void *TF_GraphToFunctionWithControlOutputs(void *, const char *, uint8_t, int, void *, int, const TF_Output *, int, const TF_Output *, void *, int, void *, void *, void *, const char *, void *)',
  'void TF_DeleteFunction(void *)',
];

const RTLD_NOW = 0x2;
const RTLD_GLOBAL = 0x100;
const RTLD_NODELETE = 0x1000;

let typesDeclared = false;

/**
 * XLA compiles on the calling stack, and koffi gives native calls a stack of its own, too small for that by default.
 * The sizes can only be set before the first library is loaded.
 */
function prepareKoffi(): void {
  if (typesDeclared) return;
  try {
    koffi().config({ sync_stack_size: 16 << 20, async_stack_size: 16 << 20, resident_async_pools: 2 });
    koffi().struct('TF_Output', { oper: 'void *', index: 'int' });
  } catch (error) {
    // Another copy of this module in the process (a test runner's, say) has done both.
    if (koffi().config().sync_stack_size !== 16 << 20) throw error;
  }
  typesDeclared = true;
}

/**
 * Opens a library and keeps it mapped until the process is gone; returns the loader's reason if that fails. Threads of the
 * libraries outlive koffi's unloading at exit; without this, Node segfaults at a natural end of the program. `global`:
 * libraries that are opened later find its functions.
 */
export function openLibrary(path: string, global: boolean): string | undefined {
  prepareKoffi();
  const { dlopen, dlerror } = loader();
  if (dlopen(path, RTLD_NOW | RTLD_NODELETE | (global ? RTLD_GLOBAL : 0))) return undefined;
  return dlerror() ?? 'no reason given';
}

/** The system's loader. Both functions are looked up before the first is called: a look-up forgets the last error. */
function loader(): { dlopen: (path: string, flags: number) => Pointer | null; dlerror: () => string | null } {
  const within = (library: ReturnType<Koffi['load']>): ReturnType<typeof loader> => ({
    dlopen: library.func('void *dlopen(const char *, int)') as any,
    dlerror: library.func('const char *dlerror()') as any,
  });
  try {
    return within(koffi().load(null));
  } catch {
    // glibc before 2.34 keeps the two in a library of their own.
    return within(koffi().load('libdl.so.2'));
  }
}

/** As `openLibrary`, for a library without which nothing works. Throws EngineError. */
function pinLibrary(path: string): void {
  const reason = openLibrary(path, true);
  if (reason === undefined) return;
  throw new EngineError(`The native library ${path} cannot be loaded: ${reason}.`, {
    code: 'engine.library-unloadable',
    hint: 'Run `graft doctor` to see what is missing, or `graft engine install` to fetch it again.',
  });
}

/**
 * Loads the two TensorFlow libraries and declares the functions that Graft calls.
 * Throws EngineError if a library cannot be loaded or lacks a function.
 */
export function loadTensorFlowApi(frameworkPath: string, ccPath: string): TensorFlowApi {
  prepareKoffi();
  pinLibrary(frameworkPath);
  pinLibrary(ccPath);
  const framework = koffi().load(frameworkPath, { global: true });
  const cc = koffi().load(ccPath, { global: true });
  const api: Record<string, unknown> = {};
  for (const declaration of DECLARATIONS) {
    const name = /(\w+)\(/.exec(declaration)![1];
    try {
      api[name] = cc.func(declaration);
    } catch {
      try {
        // Part of the C API is in the framework library; which part differs between releases.
        api[name] = framework.func(declaration);
      } catch (cause) {
        throw new EngineError(
          `The native library ${ccPath} has no function ${name}; it is not a TensorFlow 2 that Graft can use.`,
          {
            code: 'engine.library-version',
            hint: 'Run `graft engine install`, which fetches the version that Graft is tested with.',
            cause,
          },
        );
      }
    }
  }
  return api as unknown as TensorFlowApi;
}

let memcpy: ((to: Uint8Array | Pointer, from: Uint8Array | Pointer, length: number) => void) | undefined;

/**
 * Copies bytes between native memory and ours. A view of native memory would save nothing (the bytes are copied once
 * either way), and its memory would only be released in a later turn of the event loop.
 */
export function copyNative(to: Uint8Array | Pointer, from: Uint8Array | Pointer, length: number): void {
  memcpy ??= koffi().load(null).func('void memcpy(void *, const void *, size_t)') as NonNullable<typeof memcpy>;
  if (length > 0) memcpy(to, from, length);
}

export function writeNative(to: Pointer, bytes: Uint8Array): void {
  copyNative(to, bytes, bytes.byteLength);
}

export function readNative(from: Pointer, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  copyNative(bytes, from, length);
  return bytes;
}

/** Reads a TF_Buffer { const void *data; size_t length; ... } into JavaScript's memory. */
export function copyBuffer(buffer: Pointer): Uint8Array {
  const fields = new BigUint64Array(readNative(buffer, 16).buffer);
  return readNative(fields[0], Number(fields[1]));
}

/**
 * Runs `fn` with the process's standard error discarded. The library prints a banner there through a logger that has no
 * level yet; its errors are returned as statuses and exceptions.
 */
export function withoutNativeChatter<T>(fn: () => T): T {
  let libc: ReturnType<Koffi['load']>;
  let nowhere: number;
  let kept: number;
  prepareKoffi();
  try {
    libc = koffi().load(null);
    const open = libc.func('int open(const char *, int)') as (path: string, flags: number) => number;
    const dup = libc.func('int dup(int)') as (descriptor: number) => number;
    nowhere = open('/dev/null', 1);
    kept = dup(2);
  } catch {
    return fn();
  }
  const dup2 = libc.func('int dup2(int, int)') as (from: number, to: number) => number;
  const close = libc.func('int close(int)') as (descriptor: number) => number;
  if (nowhere < 0 || kept < 0) return fn();
  dup2(nowhere, 2);
  try {
    return fn();
  } finally {
    dup2(kept, 2);
    close(kept);
    close(nowhere);
  }
}

/** A function of the C library by its prototype; undefined if there is none of that name. */
export function systemFunction<F>(prototype: string): F | undefined {
  prepareKoffi();
  try {
    return koffi().load(null).func(prototype) as unknown as F;
  } catch {
    return undefined;
  }
}

/** Native memory as an ArrayBuffer, without a copy. The array does not keep the memory alive. */
export function viewNative(start: Pointer, bytes: number): ArrayBuffer {
  return koffi().view(start, bytes);
}

/** Calls glibc's mallopt; returns false if the C library does not have it. */
export function mallopt(parameter: number, value: number): boolean {
  return (
    systemFunction<(parameter: number, value: number) => number>('int mallopt(int, int)')?.(parameter, value) === 1
  );
}

/**
 * Returns freed memory to the system: glibc's malloc_trim, for the arenas of all threads. Does nothing if the C library
 * does not have it.
 */
export function trimMemory(): void {
  systemFunction<(pad: number) => number>('int malloc_trim(size_t)')?.(0);
}
