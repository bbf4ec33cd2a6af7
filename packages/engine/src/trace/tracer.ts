import { EngineError } from '@graft/errors';
import type { Attributes } from '../program/attributes';
import { DynamicShape, findOperation, ShapeError, type Call } from '../program/operations';
import type {
  ArgumentNode,
  CaptureNode,
  ConstantNode,
  OperationNode,
  Producer,
  Program,
  Value,
  ValueType,
} from '../program/program';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Records what a function does with symbolic tensors, as a Program. Shapes come from the table of operations. */
export class Tracer {
  private readonly argumentNodes: ArgumentNode[] = [];
  private readonly captureNodes = new Map<unknown, CaptureNode>();
  private readonly nodes: (ConstantNode | OperationNode)[] = [];

  constructor(readonly name: string) {}

  argument(type: ValueType): Value {
    const value = this.produce<ArgumentNode>({ kind: 'argument', position: this.argumentNodes.length, outputs: [] }, [
      type,
    ]);
    this.argumentNodes.push(value.producer as ArgumentNode);
    return value;
  }

  /** A captured tensor; the same `source` gives the same value. */
  capture(source: unknown, type: ValueType): Value {
    const known = this.captureNodes.get(source);
    if (known) return known.outputs[0];
    const value = this.produce<CaptureNode>({ kind: 'capture', source, outputs: [] }, [type]);
    this.captureNodes.set(source, value.producer as CaptureNode);
    return value;
  }

  constant(type: ValueType, bytes: Uint8Array): Value {
    const value = this.produce<ConstantNode>({ kind: 'constant', bytes: bytes.slice(), outputs: [] }, [type]);
    this.nodes.push(value.producer as ConstantNode);
    return value;
  }

  operation(op: string, attributes: Attributes, inputs: readonly Value[], outputCount: number): readonly Value[] {
    const types = this.infer({ op, attributes, inputs, outputCount });
    const first = this.produce<OperationNode>({ kind: 'operation', op, attributes, inputs, outputs: [] }, types);
    this.nodes.push(first.producer as OperationNode);
    return first.producer.outputs;
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

  private produce<P extends Producer>(producer: P, types: readonly ValueType[]): Value {
    const outputs = types.map(({ dtype, shape }, index): Value => ({ dtype, shape, producer, index }));
    (producer as Mutable<P>).outputs = outputs;
    return outputs[0];
  }
}
