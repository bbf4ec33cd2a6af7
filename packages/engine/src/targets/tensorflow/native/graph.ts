import { EngineError } from '@graft/errors';
import type { GraphOutput } from './api';
import type { Pointer } from '../../../foreign/memory';
import { dtypeName, tensorFlowType } from '../../../kernels/dtypes';
import { nativeAttribute } from '../../../kernels/attributes';
import { int64Array } from './int64-array';
import { readOpSignatures, type OpInput } from './opdefs';
import type { Attributes } from '../../../program/attributes';
import type { DType } from '../../../program/dtypes';
import type { ValueType } from '../../../program/program';
import type { NativeRuntime } from './runtime';
import { graphSetters, setAttribute, type AttributeSetters } from './set-attribute';

const signaturesOf = new WeakMap<NativeRuntime, Map<string, readonly OpInput[]>>();

function signatures(runtime: NativeRuntime): Map<string, readonly OpInput[]> {
  let known = signaturesOf.get(runtime);
  if (!known) signaturesOf.set(runtime, (known = readOpSignatures(runtime.api)));
  return known;
}

/** A TF_Graph under construction. `dispose` frees it; functions made of it live on. */
export class GraphBuilder {
  private readonly graph: Pointer;
  private readonly setters: AttributeSetters;
  private count = 0;

  constructor(private readonly runtime: NativeRuntime) {
    this.graph = runtime.api.TF_NewGraph();
    this.setters = graphSetters(runtime.api);
  }

  dispose(): void {
    this.runtime.api.TF_DeleteGraph(this.graph);
  }

  placeholder({ dtype, shape }: ValueType): GraphOutput {
    const { api } = this.runtime;
    const description = this.begin('Placeholder');
    api.TF_SetAttrType(description, 'dtype', tensorFlowType(dtype));
    api.TF_SetAttrShape(description, 'shape', int64Array(shape), shape.length);
    return { oper: this.finish(description, 'Placeholder'), index: 0 };
  }

  constant({ dtype, shape }: ValueType, bytes: Uint8Array): GraphOutput {
    const { api } = this.runtime;
    const type = tensorFlowType(dtype);
    const tensor = this.runtime.createHostTensor(shape, type, bytes);
    const description = this.begin('Const');
    api.TF_SetAttrType(description, 'dtype', type);
    api.TF_SetAttrTensor(description, 'value', tensor, this.runtime.sharedStatus);
    api.TF_DeleteTensor(tensor);
    return { oper: this.finish(description, 'Const'), index: 0 };
  }

  /**
   * Adds an operation; returns it with index 0, its other outputs differ only in the index. `after`: operations that
   * run before it.
   */
  operation(
    op: string,
    attributes: Attributes,
    inputs: readonly GraphOutput[],
    after: readonly GraphOutput[] = [],
  ): GraphOutput {
    const { api } = this.runtime;
    const signature = signatures(this.runtime).get(op);
    if (!signature)
      throw new EngineError(`TensorFlow ${this.runtime.version} has no operation ${op}.`, {
        code: 'engine.unknown-operation',
      });
    const implied = new Set<string>();
    const description = this.begin(op);
    let next = 0;
    for (const { countAttribute, typesAttribute } of signature) {
      const listAttribute = countAttribute ?? typesAttribute;
      if (listAttribute === undefined) {
        if (next >= inputs.length) break;
        api.TF_AddInput(description, inputs[next++]);
        continue;
      }
      implied.add(listAttribute);
      const value = Object.hasOwn(attributes, listAttribute) ? attributes[listAttribute].value : undefined;
      // Without the attribute, the list contains all inputs that the others leave.
      const length =
        typeof value === 'number'
          ? value
          : Array.isArray(value)
            ? value.length
            : inputs.length -
              next -
              (signature.length -
                1 -
                signature.findIndex((s) => (s.countAttribute ?? s.typesAttribute) === listAttribute));
      api.TF_AddInputList(description, inputs.slice(next, next + length), length);
      next += length;
    }
    for (const [name, attribute] of Object.entries(attributes))
      if (!implied.has(name))
        setAttribute(this.setters, description, nativeAttribute(name, attribute), op, this.runtime.sharedStatus);
    for (const { oper } of after) api.TF_AddControlInput(description, oper);
    return { oper: this.finish(description, op), index: 0 };
  }

  /** Calls a function of that name, which XLA compiles; returns its first output. */
  call(
    name: string,
    inputs: readonly GraphOutput[],
    outputTypes: readonly DType[],
    after: readonly GraphOutput[] = [],
  ): GraphOutput {
    const { api } = this.runtime;
    const op = 'StatefulPartitionedCall';
    const description = this.begin(op);
    api.TF_AddInputList(description, inputs, inputs.length);
    api.TF_SetAttrTypeList(description, 'Tout', Int32Array.from(outputTypes, tensorFlowType), outputTypes.length);
    api.TF_SetAttrFuncName(description, 'f', name, Buffer.byteLength(name));
    api.TF_SetAttrBool(description, '_XlaMustCompile', 1);
    for (const { oper } of after) api.TF_AddControlInput(description, oper);
    return { oper: this.finish(description, op), index: 0 };
  }

  /** Shape and dtype of an output; `shape` is undefined if TensorFlow cannot infer all of it. */
  typeOf(output: GraphOutput): { dtype: DType; shape: number[] | undefined } {
    const { api, sharedStatus } = this.runtime;
    const dtype = dtypeName(api.TF_OperationOutputType(output));
    const rank = api.TF_GraphGetTensorNumDims(this.graph, output, sharedStatus);
    this.runtime.check('shape inference');
    if (rank < 0) return { dtype, shape: undefined };
    const dims = new BigInt64Array(rank);
    if (rank > 0) {
      api.TF_GraphGetTensorShape(this.graph, output, dims, rank, sharedStatus);
      this.runtime.check('shape inference');
    }
    const shape = Array.from(dims, Number);
    return { dtype, shape: shape.some((size) => size < 0) ? undefined : shape };
  }

  /**
   * A TF_Function of this graph; the caller deletes it. `effects`: operations that run even if no output needs them.
   */
  toFunction(
    name: string,
    inputs: readonly GraphOutput[],
    outputs: readonly GraphOutput[],
    effects: readonly GraphOutput[] = [],
  ): Pointer {
    const fn = this.runtime.api.TF_GraphToFunctionWithControlOutputs(
      this.graph,
      name,
      0,
      -1,
      null,
      inputs.length,
      inputs,
      outputs.length,
      outputs,
      null,
      effects.length,
      BigUint64Array.from(effects, ({ oper }) => oper),
      null,
      null,
      name,
      this.runtime.sharedStatus,
    );
    this.runtime.check(`building ${name}`);
    return fn;
  }

  private begin(op: string): Pointer {
    return this.runtime.api.TF_NewOperation(this.graph, op, `${op.replace(/^_+/, '')}_${this.count++}`);
  }

  private finish(description: Pointer, op: string): Pointer {
    const operation = this.runtime.api.TF_FinishOperation(description, this.runtime.sharedStatus);
    this.runtime.check(op);
    return operation;
  }
}
