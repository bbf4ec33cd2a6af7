import { EngineError } from '@graft/errors';
import type { Attributes } from '../program/attributes';
import { callerOutside } from './caller';
import { DynamicShape, findOperation, ShapeError, type Call } from '../program/operations';
import {
  withOutputs,
  type ArgumentNode,
  type CaptureNode,
  type ConstantNode,
  type OperationNode,
  type Program,
  type Value,
  type ValueType,
} from '../program/program';

/** Records what a function does with symbolic tensors, as a Program. Shapes come from the table of operations. */
export class Tracer {
  private readonly argumentNodes: ArgumentNode[] = [];
  private readonly captureNodes = new Map<unknown, CaptureNode>();
  private readonly nodes: (ConstantNode | OperationNode)[] = [];

  /** `lowers`: whether the target has a way to compute an operation; of others the caller is kept for the error. */
  constructor(
    readonly name: string,
    private readonly lowers: (op: string) => boolean = () => true,
  ) {}

  argument(type: ValueType): Value {
    const position = this.argumentNodes.length;
    const node = withOutputs<ArgumentNode>({ kind: 'argument', position, outputs: [] }, [type]);
    this.argumentNodes.push(node);
    return node.outputs[0];
  }

  /** A captured tensor; the same `source` gives the same value. */
  capture(source: unknown, type: ValueType): Value {
    const known = this.captureNodes.get(source);
    if (known) return known.outputs[0];
    const node = withOutputs<CaptureNode>({ kind: 'capture', source, outputs: [] }, [type]);
    this.captureNodes.set(source, node);
    return node.outputs[0];
  }

  constant(type: ValueType, bytes: Uint8Array): Value {
    const node = withOutputs<ConstantNode>({ kind: 'constant', bytes: bytes.slice(), outputs: [] }, [type]);
    this.nodes.push(node);
    return node.outputs[0];
  }

  operation(op: string, attributes: Attributes, inputs: readonly Value[], outputCount: number): readonly Value[] {
    const types = this.infer({ op, attributes, inputs, outputCount });
    const calledAt = this.lowers(op) ? undefined : callerOutside();
    const node = withOutputs<OperationNode>(
      { kind: 'operation', op, attributes, inputs, outputs: [], ...(calledAt && { calledAt }) },
      types,
    );
    this.nodes.push(node);
    return node.outputs;
  }

  finish(results: readonly Value[]): Program {
    return {
      name: this.name,
      arguments: this.argumentNodes,
      captures: [...this.captureNodes.values()],
      nodes: this.nodes,
      results,
    };
  }

  private infer(call: Call): readonly ValueType[] {
    const operation = findOperation(call.op);
    if (!operation)
      throw new EngineError(`${call.op} cannot be part of a compiled function; it was called in jit "${this.name}".`, {
        code: 'engine.unknown-operation',
        hint: 'Compute this part outside the compiled function.',
      });
    try {
      return operation.infer(call).slice(0, call.outputCount);
    } catch (error) {
      if (error instanceof DynamicShape)
        throw new EngineError(
          `${call.op} inside jit "${this.name}": the shape of its result depends on values that only the run knows.`,
          {
            code: 'engine.dynamic-shape',
            hint: 'Give sizes as numbers, or compute this part outside the compiled function.',
          },
        );
      if (!(error instanceof ShapeError)) throw error;
      const given = call.inputs.map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`).join(', ');
      throw new EngineError(`${call.op} inside jit "${this.name}", on ${given || 'no inputs'}: ${error.message}`, {
        code: 'engine.trace-operation',
        cause: error,
      });
    }
  }
}
