import { EngineError } from '@graft/errors';
import { koffi } from '../../../foreign/koffi';
import { openLibrary } from '../../../foreign/library';
import type { Pointer } from '../../../foreign/memory';

/** An output of a graph operation, passed by value. */
export interface GraphOutput {
  oper: Pointer;
  index: number;
}

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

/** Declares TF_Output, unless another copy of this module in the process (a test runner's, say) has done so. */
function declareOutput(): void {
  try {
    koffi().sizeof('TF_Output');
  } catch {
    koffi().struct('TF_Output', { oper: 'void *', index: 'int' });
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
  pinLibrary(frameworkPath);
  pinLibrary(ccPath);
  declareOutput();
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
