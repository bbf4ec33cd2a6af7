import type { Attributes } from './attributes';
import type { DType } from './dtypes';

/** What is known about a value at trace time. Shapes are static: dims are all known. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Output `index` of `producer`. */
export interface Value extends ValueType {
  readonly producer: Producer;
  readonly index: number;
}

/** An argument of the traced function, by its position among the tensor leaves. */
export interface ArgumentNode {
  readonly kind: 'argument';
  readonly position: number;
  readonly outputs: readonly Value[];
}

/** A tensor that existed before the trace. `source` finds its current native tensor at each call. */
export interface CaptureNode {
  readonly kind: 'capture';
  readonly source: unknown;
  readonly outputs: readonly Value[];
}

/** Host values that the traced code created. */
export interface ConstantNode {
  readonly kind: 'constant';
  readonly bytes: Uint8Array;
  readonly outputs: readonly Value[];
}

export interface OperationNode {
  readonly kind: 'operation';
  readonly op: string;
  readonly attributes: Attributes;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Where the traced function calls it, `file:line:column`, if the target cannot compute it. */
  readonly calledAt?: string;
}

export type Producer = ArgumentNode | CaptureNode | ConstantNode | OperationNode;

/**
 * What a traced function computes, as data: operations in the order of the trace, with static shapes. It is independent
 * of how it is run; a lowering builds something executable from it.
 */
export interface Program {
  readonly name: string;
  readonly arguments: readonly ArgumentNode[];
  readonly captures: readonly CaptureNode[];
  /** Constants and operations, each after its inputs. */
  readonly nodes: readonly (ConstantNode | OperationNode)[];
  readonly results: readonly Value[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The node itself, with results of these types: each refers to its node, and the node to each. */
export function withOutputs<P extends Producer>(node: P, types: readonly ValueType[]): P {
  (node as Mutable<P>).outputs = types.map(({ dtype, shape }, index): Value => ({
    dtype,
    shape,
    producer: node,
    index,
  }));
  return node;
}

/** The operations that read a result of each producer, in the program's order, each once. */
export function readersOf({ nodes }: Pick<Program, 'nodes'>): ReadonlyMap<Producer, readonly OperationNode[]> {
  const readers = new Map<Producer, OperationNode[]>();
  for (const node of nodes) {
    if (node.kind === 'constant') continue;
    for (const producer of new Set(node.inputs.map((input) => input.producer))) {
      const known = readers.get(producer);
      if (known) known.push(node);
      else readers.set(producer, [node]);
    }
  }
  return readers;
}
