import { dtypeOf, flagOf, intOf, type Attributes } from './attributes';
import { findOperation } from './operations';
import {
  withOutputs,
  type ConstantNode,
  type OperationNode,
  type Program,
  type Value,
  type ValueType,
} from './program';

/** The results that replace those of an operation, in order; undefined: it stays. */
export type Rule = (node: OperationNode, editor: ProgramEditor) => readonly Value[] | undefined;

/**
 * The program with operations replaced by a rule, which sees each operation once, in order, with inputs that are
 * replaced already. What a rule adds stands in its operation's place, and is not seen again.
 */
export function rewrite(program: Program, rule: Rule): Program {
  const editor = new ProgramEditor();
  const replacement = new Map<Value, Value>();
  const resolve = (value: Value): Value => replacement.get(value) ?? value;
  for (const node of program.nodes) {
    if (node.kind === 'constant') {
      editor.nodes.push(node);
      continue;
    }
    const inputs = node.inputs.map(resolve);
    const isSame = inputs.every((input, i) => input === node.inputs[i]);
    const current = isSame ? node : withInputs(node, inputs);
    const results = rule(current, editor) ?? editor.keep(current);
    node.outputs.forEach((value, i) => {
      if (results[i] !== value) replacement.set(value, results[i]);
    });
  }
  return { ...program, nodes: editor.nodes, results: program.results.map(resolve) };
}

/** A node like another one, with outputs of its own. */
export function withInputs(node: OperationNode, inputs: readonly Value[]): OperationNode {
  return withOutputs({ ...node, inputs }, node.outputs);
}

/** Adds operations to a program under construction. Every method returns a value of one result. */
export class ProgramEditor {
  readonly nodes: (ConstantNode | OperationNode)[] = [];

  keep(node: OperationNode): readonly Value[] {
    this.nodes.push(node);
    return node.outputs;
  }

  run(op: string, attributes: Attributes, inputs: readonly Value[]): Value {
    const types = findOperation(op)!.infer({ op, attributes, inputs, outputCount: 1 });
    const node: OperationNode = { kind: 'operation', op, attributes, inputs, outputs: [] };
    return this.add(node, types[0]);
  }

  /** int32 [n], or a scalar if it is given alone. */
  ints(values: readonly number[] | number): Value {
    const all = typeof values === 'number' ? [values] : values;
    const shape = typeof values === 'number' ? [] : [values.length];
    return this.constant({ dtype: 'int32', shape }, new Uint8Array(Int32Array.from(all).buffer));
  }

  /** A float32 scalar. */
  float(value: number): Value {
    return this.constant({ dtype: 'float32', shape: [] }, new Uint8Array(Float32Array.of(value).buffer));
  }

  constant(type: ValueType, bytes: Uint8Array): Value {
    return this.add({ kind: 'constant', bytes, outputs: [] }, type);
  }

  reshape(value: Value, ...shape: number[]): Value {
    return this.run('Reshape', { T: dtypeOf(value.dtype), Tshape: INT32 }, [value, this.ints(shape)]);
  }

  transpose(value: Value, ...order: number[]): Value {
    return this.run('Transpose', { T: dtypeOf(value.dtype), Tperm: INT32 }, [value, this.ints(order)]);
  }

  slice(value: Value, begin: readonly number[], size: readonly number[]): Value {
    const attributes = { T: dtypeOf(value.dtype), Index: INT32 };
    return this.run('Slice', attributes, [value, this.ints(begin), this.ints(size)]);
  }

  /** A single part needs no concatenation. */
  concat(parts: readonly Value[], axis: number): Value {
    if (parts.length === 1) return parts[0];
    const attributes = { T: dtypeOf(parts[0].dtype), N: intOf(parts.length), Tidx: INT32 };
    return this.run('ConcatV2', attributes, [...parts, this.ints(axis)]);
  }

  plus(a: Value, b: Value): Value {
    return this.run('AddV2', { T: dtypeOf(a.dtype) }, [a, b]);
  }

  multiply(a: Value, b: Value): Value {
    return this.run('Mul', { T: dtypeOf(a.dtype) }, [a, b]);
  }

  /** The values added up one after the other. */
  sum(values: readonly Value[]): Value {
    return values.reduce((a, b) => this.plus(a, b));
  }

  cast(value: Value, dtype: Value['dtype']): Value {
    if (value.dtype === dtype) return value;
    const attributes = { SrcT: dtypeOf(value.dtype), DstT: dtypeOf(dtype), Truncate: flagOf(false) };
    return this.run('Cast', attributes, [value]);
  }

  private add(node: ConstantNode | OperationNode, type: ValueType): Value {
    this.nodes.push(withOutputs<ConstantNode | OperationNode>(node, [type]));
    return node.outputs[0];
  }
}

const INT32 = dtypeOf('int32');
