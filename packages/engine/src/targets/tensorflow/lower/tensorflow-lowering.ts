import type { Pointer } from '../../../foreign/memory';
import { GraphBuilder } from '../native/graph';
import type { NativeRuntime } from '../native/runtime';
import { attributesText } from '../../../program/attributes';
import type { ConstantNode, OperationNode, Producer, Program, Value } from '../../../program/program';
import type { Replacements } from '../../../target/target';
import { GraphBody } from './graph-body';
import { isSmall, type Cluster } from './clusters';

type LoweringUnit = Cluster | ConstantNode | OperationNode;

/** Builds the functions of a program and of its clusters; equal clusters share one function. */
export class TensorFlowLowering {
  readonly fns: { readonly name: string; readonly fn: Pointer }[] = [];
  private readonly byText = new Map<string, string>();

  constructor(
    private readonly runtime: NativeRuntime,
    private readonly name: string,
  ) {}

  /** An argument that is replaced is passed as a variable, to which the function writes instead of returning the result. */
  add(program: Program, clusters: readonly Cluster[], replacements: Replacements): void {
    const clusterOf = new Map<Producer, Cluster>();
    for (const cluster of clusters) for (const node of cluster.nodes) clusterOf.set(node, cluster);
    const returned = new Set(program.results.filter((_, i) => !replacements.has(i)));
    /** Arguments that a value replaces. */
    const replaces = new Map<Value, Value[]>();
    for (const [i, position] of replacements) {
      const known = replaces.get(program.results[i]);
      const argument = program.arguments[position].outputs[0];
      if (known) known.push(argument);
      else replaces.set(program.results[i], [argument]);
    }
    const builder = new GraphBuilder(this.runtime);
    try {
      const body = new GraphBody(builder);
      const replaced = new Set([...replaces.values()].flat());
      const readHere = readOutsideOf(program, clusterOf, replaces, returned);
      for (const { outputs } of [...program.arguments, ...program.captures])
        body.input(outputs[0], replaced.has(outputs[0]), readHere.has(outputs[0]));
      for (const unit of inOrder(program, clusterOf)) {
        if ('nodes' in unit) this.call(body, unit, replaces, returned);
        else body.node(unit);
      }
      program.results.forEach((value, i) => {
        const position = replacements.get(i);
        if (position === undefined) body.result(value);
        else if (!clusterOf.has(value.producer)) body.replace(program.arguments[position].outputs[0], value);
      });
      this.register(this.name, body.finish(this.name));
    } finally {
      builder.dispose();
    }
  }

  /** Calls a cluster's function in a body. The cluster itself writes to the variables of arguments that it replaces. */
  private call(
    body: GraphBody,
    cluster: Cluster,
    replaces: ReadonlyMap<Value, readonly Value[]>,
    returned: ReadonlySet<Value>,
  ): void {
    const made = cluster.nodes.flatMap((node) => node.outputs);
    const outputs = made.filter((value) => cluster.outputs.includes(value) || returned.has(value));
    const writes = made.flatMap((result) => (replaces.get(result) ?? []).map((variable) => ({ variable, result })));
    const variables = writes.map(({ variable }) => variable);
    const inputs = cluster.inputs.filter((value) => !variables.includes(value));
    const text = textOf(cluster, inputs, variables, [...outputs, ...writes.map(({ result }) => result)]);
    let name = this.byText.get(text);
    if (!name) {
      name = `${this.name}_${this.byText.size}`;
      this.byText.set(text, name);
      const builder = new GraphBuilder(this.runtime);
      try {
        const inner = new GraphBody(builder);
        for (const value of inputs) inner.input(value, false);
        for (const value of variables) inner.input(value, true, cluster.inputs.includes(value));
        for (const node of withConstants(cluster)) inner.node(node);
        for (const value of outputs) inner.result(value);
        for (const { variable, result } of writes) inner.replace(variable, result);
        this.register(name, inner.finish(name));
      } finally {
        builder.dispose();
      }
    }
    body.call(name, inputs, variables, outputs);
  }

  private register(name: string, fn: Pointer): void {
    const { api, context, sharedStatus } = this.runtime;
    this.fns.push({ name, fn });
    api.TFE_ContextAddFunction(context, fn, sharedStatus);
    this.runtime.check(`adding ${name}`);
  }
}

/** Values that are read outside the clusters that replace them. */
function readOutsideOf(
  program: Program,
  clusterOf: ReadonlyMap<Producer, Cluster>,
  replaces: ReadonlyMap<Value, readonly Value[]>,
  returned: ReadonlySet<Value>,
): Set<Value> {
  const writer = new Map<Value, Cluster | undefined>();
  for (const [result, variables] of replaces)
    for (const variable of variables) writer.set(variable, clusterOf.get(result.producer));
  const read = new Set(returned);
  for (const value of replaces.keys()) if (!clusterOf.has(value.producer)) read.add(value);
  for (const node of program.nodes) {
    if (node.kind === 'constant') continue;
    const cluster = clusterOf.get(node);
    for (const value of node.inputs) if (!cluster || writer.get(value) !== cluster) read.add(value);
  }
  return read;
}

/** Clusters and the operations between them, each after its inputs. */
function inOrder(program: Program, clusterOf: ReadonlyMap<Producer, Cluster>): LoweringUnit[] {
  const order: LoweringUnit[] = [];
  const done = new Set<LoweringUnit>();
  const visit = (first: LoweringUnit): void => {
    const stack: { unit: LoweringUnit; pending: LoweringUnit[] }[] = [];
    const enter = (unit: LoweringUnit): void => {
      if (done.has(unit)) return;
      done.add(unit);
      stack.push({ unit, pending: before(unit, clusterOf) });
    };
    enter(first);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const next = top.pending.pop();
      if (next) enter(next);
      else order.push(stack.pop()!.unit);
    }
  };
  for (const node of program.nodes) visit(clusterOf.get(node) ?? node);
  return order;
}

function before(unit: LoweringUnit, clusterOf: ReadonlyMap<Producer, Cluster>): LoweringUnit[] {
  const read = 'nodes' in unit ? unit.inputs : unit.kind === 'operation' ? unit.inputs : [];
  return read.flatMap(({ producer }) =>
    producer.kind === 'operation' || producer.kind === 'constant' ? [clusterOf.get(producer) ?? producer] : [],
  );
}

/** A cluster's operations with copies of the small constants that they read. */
function withConstants({ nodes }: Cluster): (ConstantNode | OperationNode)[] {
  const constants = new Set(nodes.flatMap(({ inputs }) => inputs.map(({ producer }) => producer)).filter(isSmall));
  return [...constants, ...nodes];
}

/** A text that is equal for clusters with the same computation, whatever their inputs. */
function textOf(
  { nodes }: Cluster,
  inputs: readonly Value[],
  variables: readonly Value[],
  outputs: readonly Value[],
): string {
  const names = new Map<Value, string>();
  const lines: string[] = [];
  const given = (value: Value, kind: string, i: number): void => {
    names.set(value, `${kind}${i}`);
    lines.push(`${kind}${value.dtype}[${value.shape.join()}]`);
  };
  inputs.forEach((value, i) => given(value, 'i', i));
  variables.forEach((value, i) => given(value, 'v', i));
  const nameOf = (value: Value): string =>
    names.get(value) ??
    `c${value.dtype}[${value.shape.join()}]${Buffer.from((value.producer as ConstantNode).bytes).toString('base64')}`;
  nodes.forEach((node, i) => {
    lines.push(`${node.op}(${node.inputs.map(nameOf).join()}){${attributesText(node.attributes)}}`);
    for (const value of node.outputs) names.set(value, `n${i}:${value.index}`);
  });
  return [...lines, ...outputs.map(nameOf)].join('\n');
}
