import type { GraphOutput } from '../native/api';
import type { Pointer } from '../../../foreign/memory';
import type { GraphBuilder } from '../native/graph';
import { dtypeOf, type Attributes } from '../../../program/attributes';
import type { ConstantNode, OperationNode, Value } from '../../../program/program';

const typeOf = ({ dtype }: Value, name = 'dtype'): Attributes => ({ [name]: dtypeOf(dtype) });

/** The graph of one function under construction: maps each value of the program to its graph output. */
export class GraphBody {
  private readonly values = new Map<Value, GraphOutput>();
  private readonly variables = new Map<Value, GraphOutput>();
  private readonly inputs: GraphOutput[] = [];
  private readonly results: GraphOutput[] = [];
  private readonly effects: GraphOutput[] = [];

  constructor(private readonly builder: GraphBuilder) {}

  /** The next input. One that is replaced is a variable, which is read at once if `read`. */
  input(value: Value, asVariable: boolean, read = true): void {
    const { builder } = this;
    const placeholder = builder.placeholder(asVariable ? { dtype: 'resource', shape: [] } : value);
    this.inputs.push(placeholder);
    if (!asVariable) {
      this.values.set(value, placeholder);
      return;
    }
    this.variables.set(value, placeholder);
    if (read) this.values.set(value, builder.operation('ReadVariableOp', typeOf(value), [placeholder]));
  }

  node(node: ConstantNode | OperationNode): void {
    const made =
      node.kind === 'constant'
        ? this.builder.constant(node.outputs[0], node.bytes)
        : this.builder.operation(
            node.op,
            node.attributes,
            node.inputs.map((input) => this.at(input)),
          );
    for (const value of node.outputs) this.values.set(value, { oper: made.oper, index: value.index });
  }

  /** Calls a function that XLA compiles. It runs after the reads of the variables that it writes. */
  call(name: string, inputs: readonly Value[], variables: readonly Value[], outputs: readonly Value[]): void {
    const reads = variables.flatMap((value) => this.values.get(value) ?? []);
    const call = this.builder.call(
      name,
      [...inputs.map((value) => this.at(value)), ...variables.map((value) => this.variables.get(value)!)],
      outputs.map(({ dtype }) => dtype),
      reads,
    );
    outputs.forEach((value, index) => this.values.set(value, { oper: call.oper, index }));
    if (variables.length > 0) this.effects.push(call);
  }

  result(value: Value): void {
    // A function may not return one of its inputs, nor one output twice: each result passes through an identity.
    this.results.push(this.builder.operation('Identity', typeOf(value, 'T'), [this.at(value)]));
  }

  /** Writes a value to the variable of an input; after its read, even if the new value does not depend on it. */
  replace(input: Value, value: Value): void {
    const read = this.values.get(input);
    this.effects.push(
      this.builder.operation(
        'AssignVariableOp',
        typeOf(value),
        [this.variables.get(input)!, this.at(value)],
        read ? [read] : [],
      ),
    );
  }

  finish(name: string): Pointer {
    return this.builder.toFunction(name, this.inputs, this.results, this.effects);
  }

  private at(value: Value): GraphOutput {
    return this.values.get(value)!;
  }
}
