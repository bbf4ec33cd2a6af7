import {
  readersOf,
  type ConstantNode,
  type OperationNode,
  type Producer,
  type Program,
  type Value,
} from '../../../program/program';

/** Operations that are compiled together: the values that they read from outside, and the results that others read. */
export interface Cluster {
  readonly nodes: readonly OperationNode[];
  /** Values from outside, other than small constants. */
  readonly inputs: readonly Value[];
  /** Values that operations outside read. */
  readonly outputs: readonly Value[];
}

/**
 * Operations that TensorFlow's own kernels run better than XLA's code: products, which oneDNN computes, and barriers,
 * which separate parts of a program.
 */
const OWN_KERNEL = /^(Batch)?MatMul|^IdentityN$/;
/** Operations without computation: alone they do not justify a compiled function. */
const FREE = /^(Reshape|Identity|ExpandDims|Squeeze)$/;
/** Constants up to this size are repeated in each cluster that reads them: shapes and axes must be known to the compiler. */
const SMALL_BYTES = 1024;

/**
 * Splits a program into its products and the clusters between them. An operation is deferred as long as nothing before
 * the next product needs it; operations between the same products that read each other are one cluster. No cluster
 * waits for a product that waits for it: everything after a product has a smaller depth.
 */
export function clustersOf(program: Program): Cluster[] {
  const operations = program.nodes.filter((node): node is OperationNode => node.kind === 'operation');
  const readers = readersOf(program);
  const depths = new Map<OperationNode, number>();
  for (const node of [...operations].reverse()) {
    const own = OWN_KERNEL.test(node.op);
    let depth = 0;
    for (const reader of readers.get(node) ?? [])
      depth = Math.max(depth, depths.get(reader)! + (!own && OWN_KERNEL.test(reader.op) ? 1 : 0));
    depths.set(node, depth);
  }

  const fusible = operations.filter(({ op }) => !OWN_KERNEL.test(op));
  const roots = new Map<OperationNode, OperationNode>(fusible.map((node) => [node, node]));
  const rootOf = (node: OperationNode): OperationNode => {
    let root = node;
    while (roots.get(root) !== root) root = roots.get(root)!;
    roots.set(node, root);
    return root;
  };
  for (const node of fusible) {
    for (const { producer } of node.inputs) {
      if (producer.kind !== 'operation' || OWN_KERNEL.test(producer.op)) continue;
      if (depths.get(producer) === depths.get(node)) roots.set(rootOf(producer), rootOf(node));
    }
  }
  const members = new Map<OperationNode, OperationNode[]>();
  for (const node of fusible) append(members, rootOf(node), node);
  return [...members.values()]
    .filter((nodes) => nodes.filter(({ op }) => !FREE.test(op)).length > 1)
    .map((nodes) => borders(nodes, readers));
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known) known.push(value);
  else map.set(key, [value]);
}

function borders(nodes: readonly OperationNode[], readers: ReadonlyMap<Producer, readonly OperationNode[]>): Cluster {
  const inside = new Set<Producer>(nodes);
  const inputs = new Set<Value>();
  const outputs = new Set<Value>();
  for (const node of nodes) {
    for (const value of node.inputs) if (!inside.has(value.producer) && !isSmall(value.producer)) inputs.add(value);
    for (const reader of readers.get(node) ?? []) {
      if (inside.has(reader)) continue;
      for (const value of reader.inputs) if (value.producer === node) outputs.add(value);
    }
  }
  return { nodes, inputs: [...inputs], outputs: [...outputs] };
}

/** Whether a value is a constant that is copied into clusters. */
export function isSmall(producer: Producer): producer is ConstantNode {
  return producer.kind === 'constant' && producer.bytes.length <= SMALL_BYTES;
}
