import { EngineError } from '@graft/errors';
import type { GraphOutput } from '../native/api';
import { GraphBuilder } from '../native/graph';
import type { NativeRuntime } from '../native/runtime';
import type { Attributes } from '../program/attributes';
import type { Executor } from '../types';
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

/**
 * Records what a function does with symbolic tensors. Shapes come from TensorFlow's own shape inference, on a scratch
 * graph that is thrown away: what remains is the Program.
 */
export class Tracer {
  private readonly scratch: GraphBuilder;
  private readonly inScratch = new Map<Producer, GraphOutput>();
  private readonly argumentNodes: ArgumentNode[] = [];
  private readonly captureNodes = new Map<unknown, CaptureNode>();
  private readonly nodes: (ConstantNode | OperationNode)[] = [];

  constructor(
    readonly name: string,
    readonly runtime: NativeRuntime,
    /** What will run the trace: some operations are rewritten for XLA. */
    private readonly executor: Executor,
  ) {
    this.scratch = new GraphBuilder(runtime);
  }

  /** Whether XLA will compile the whole trace. */
  get forXla(): boolean {
    return this.executor === 'xla';
  }

  /** Whether XLA will compile the operations between products. */
  get compiledBetweenProducts(): boolean {
    return this.executor === 'xla' || this.executor === 'mixed';
  }

  argument(type: ValueType): Value {
    const value = this.produce<ArgumentNode>({ kind: 'argument', position: this.argumentNodes.length, outputs: [] }, [
      type,
    ]);
    this.argumentNodes.push(value.producer as ArgumentNode);
    this.inScratch.set(value.producer, this.scratch.placeholder(type));
    return value;
  }

  /** A captured tensor; the same `source` gives the same value. */
  capture(source: unknown, type: ValueType): Value {
    const known = this.captureNodes.get(source);
    if (known) return known.outputs[0];
    const value = this.produce<CaptureNode>({ kind: 'capture', source, outputs: [] }, [type]);
    this.captureNodes.set(source, value.producer as CaptureNode);
    this.inScratch.set(value.producer, this.scratch.placeholder(type));
    return value;
  }

  constant(type: ValueType, bytes: Uint8Array): Value {
    const value = this.produce<ConstantNode>({ kind: 'constant', bytes: bytes.slice(), outputs: [] }, [type]);
    this.nodes.push(value.producer as ConstantNode);
    this.inScratch.set(value.producer, this.scratch.constant(type, bytes));
    return value;
  }

  operation(
    op: string,
    attributes: Attributes,
    inputs: readonly Value[],
    outputCount: number,
  ): readonly Value[] {
    let operation: GraphOutput;
    try {
      operation = this.scratch.operation(
        op,
        attributes,
        inputs.map((input) => ({ oper: this.inScratch.get(input.producer)!.oper, index: input.index })),
      );
    } catch (error) {
      const shapes = inputs.map((input) => `${input.dtype}[${input.shape.join(', ')}]`).join(', ');
      throw new EngineError(
        `${op} inside jit "${this.name}", on ${shapes || 'no inputs'}: ${(error as Error).message.replace(/^\w+: /, '')}`,
        {
          code: 'engine.trace-operation',
          cause: error,
        },
      );
    }
    const types = Array.from({ length: outputCount }, (_, index) => {
      const { dtype, shape } = this.scratch.typeOf({ oper: operation.oper, index });
      if (!shape) {
        throw new EngineError(
          `${op} inside jit "${this.name}": the shape of its result depends on values that only the run knows.`,
          {
            code: 'engine.dynamic-shape',
            hint: 'Give sizes as numbers, or compute this part outside the compiled function.',
          },
        );
      }
      return { dtype, shape };
    });
    const first = this.produce<OperationNode>({ kind: 'operation', op, attributes, inputs, outputs: [] }, types);
    this.nodes.push(first.producer as OperationNode);
    this.inScratch.set(first.producer, operation);
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

  dispose(): void {
    this.scratch.dispose();
  }

  private produce<P extends Producer>(producer: P, types: readonly ValueType[]): Value {
    const outputs = types.map(({ dtype, shape }, index): Value => ({ dtype, shape, producer, index }));
    (producer as Mutable<P>).outputs = outputs;
    return outputs[0];
  }
}
