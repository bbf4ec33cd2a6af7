import { withInputs } from '../../../program/editor';
import { bytesOf } from '../../../program/memory';
import {
  readersOf,
  withOutputs,
  type ConstantNode,
  type OperationNode,
  type Producer,
  type Program,
  type Value,
} from '../../../program/program';
import { elementCount } from '../../../shape';
import { clustersOf, isSmall, type Cluster } from '../lower/clusters';

/**
 * Operations that XLA joins with what reads them. It does not repeat tanh, exponential and the like for each reader: it
 * stores them, so that computing them again would move as many bytes as it saves.
 */
const FUSED = new Set(
  (
    'Abs Add AddV2 Cast Equal ExpandDims Greater GreaterEqual Identity Less LessEqual LogicalAnd ' +
    'LogicalNot LogicalOr Maximum Minimum Mul Neg NotEqual RealDiv Relu Reshape Select SelectV2 ' +
    'Sign Square SquaredDifference Squeeze Sub'
  ).split(' '),
);
/** Values of fewer numbers cost nothing in memory. */
const MANY = 1 << 16;
/** Maximum number of operations that are computed again in place of one value. */
const MANY_OPERATIONS = 32;
/** A value is computed again if that moves at most this share of the bytes. */
const SHARE = 0.75;

const isLarge = ({ shape }: Value): boolean => elementCount(shape) >= MANY;

/**
 * A program for the `mixed` executor in which a cluster computes again what another one would write to memory for it,
 * where what that is computed from is smaller or is read anyway. The main case: products of bfloat16 that were widened
 * to float32, and what follows from them number by number (the parts of the gated feed-forward, normalised rows), of
 * which the gradient needs several. They cross in bfloat16 instead. Results do not change.
 */
export function recomputedAtBorders(program: Program): Program {
  const plan = new BorderPlan(program, clustersOf(program));
  return plan.again.size === 0 ? program : withRecomputed(program, plan);
}

/** Which values which clusters compute again. */
class BorderPlan {
  /** Each value that is computed again by every other cluster that reads it. */
  readonly again = new Set<Value>();
  readonly clusterOf = new Map<Producer, Cluster>();
  /** What each cluster reads from outside, as decided so far. */
  private readonly reads = new Map<Cluster, Set<Value>>();
  private readonly results: ReadonlySet<Value>;

  constructor(program: Program, clusters: readonly Cluster[]) {
    for (const cluster of clusters) {
      this.reads.set(cluster, new Set(cluster.inputs));
      for (const node of cluster.nodes) this.clusterOf.set(node, cluster);
    }
    this.results = new Set(program.results);
    const readers = readersOf(program);
    // In the program's order: whether an operand stays in memory is decided before its reader.
    for (const node of program.nodes) {
      if (node.kind === 'operation' && this.clusterOf.has(node)) this.decide(node, readers.get(node) ?? []);
    }
  }

  private decide(node: OperationNode, readers: readonly OperationNode[]): void {
    const [value] = node.outputs;
    if (!FUSED.has(node.op) || !isLarge(value) || this.results.has(value)) return;
    const own = this.clusterOf.get(node);
    const outside = readers.filter((reader) => this.clusterOf.get(reader) !== own);
    const clusters = new Set(outside.map((reader) => this.clusterOf.get(reader)));
    if (outside.length === 0 || clusters.has(undefined)) return;
    const leaves = this.leavesOf(node);
    if (!leaves) return;
    const consumers = [...clusters] as Cluster[];
    const extra = (cluster: Cluster): number =>
      [...leaves].reduce((sum, leaf) => sum + (this.reads.get(cluster)!.has(leaf) ? 0 : bytesOf(leaf)), 0);
    const moved = consumers.reduce((sum, cluster) => sum + extra(cluster), 0);
    if (moved > SHARE * (1 + consumers.length) * bytesOf(value)) return;
    this.again.add(value);
    for (const cluster of consumers) {
      const reads = this.reads.get(cluster)!;
      reads.delete(value);
      for (const leaf of leaves) reads.add(leaf);
    }
  }

  /** The values in memory from which an operation's result can be computed; undefined: it takes more than cheap operations. */
  private leavesOf(node: OperationNode): Set<Value> | undefined {
    const leaves = new Set<Value>();
    const seen = new Set<OperationNode>([node]);
    for (const current of seen) {
      if (seen.size > MANY_OPERATIONS) return undefined;
      for (const input of current.inputs) {
        const { producer } = input;
        if (isSmall(producer)) continue;
        if (this.isInMemory(input)) leaves.add(input);
        else if (producer.kind === 'operation' && FUSED.has(producer.op)) seen.add(producer);
        else return undefined;
      }
    }
    return leaves;
  }

  /** Whether a value is outside the clusters, or small, or leaves its cluster in any case. */
  isInMemory(value: Value): boolean {
    const own = this.clusterOf.get(value.producer);
    if (!own || !isLarge(value)) return true;
    return !this.again.has(value) && (own.outputs.includes(value) || this.results.has(value));
  }
}

/** The program in which the readers in other clusters have operations of their own for the values that are computed again. */
function withRecomputed(program: Program, plan: BorderPlan): Program {
  const nodes: (ConstantNode | OperationNode)[] = [];
  const replaced = new Map<Producer, OperationNode>();
  const current = (value: Value): Value => replaced.get(value.producer)?.outputs[value.index] ?? value;
  /** For each cluster, its own copies. */
  const copies = new Map<Cluster, Map<Value, Value>>();
  const copyFor = (cluster: Cluster, value: Value): Value => {
    const { producer } = value;
    if (producer.kind !== 'operation' || plan.clusterOf.get(producer) === cluster) return current(value);
    if (plan.isInMemory(value)) return current(value);
    let own = copies.get(cluster);
    if (!own) copies.set(cluster, (own = new Map()));
    let copy = own.get(value);
    if (!copy) {
      const inputs = producer.inputs.map((input) => copyFor(cluster, input));
      const node = withOutputs<OperationNode>({ ...producer, inputs, outputs: [] }, producer.outputs);
      nodes.push(node);
      own.set(value, (copy = node.outputs[value.index]));
    }
    return copy;
  };
  for (const node of program.nodes) {
    if (node.kind === 'constant') {
      nodes.push(node);
      continue;
    }
    const cluster = plan.clusterOf.get(node);
    const inputs = node.inputs.map((input) =>
      cluster && plan.again.has(input) ? copyFor(cluster, input) : current(input),
    );
    const isSame = inputs.every((input, i) => input === node.inputs[i]);
    const kept = isSame ? node : withInputs(node, inputs);
    if (!isSame) replaced.set(node, kept);
    nodes.push(kept);
  }
  return { ...program, nodes, results: program.results.map(current) };
}
