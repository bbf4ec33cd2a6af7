import { attributesText } from './attributes';
import { rewrite, withInputs, type Rule } from './editor';
import { findOperation } from './operations';
import type { ConstantNode, OperationNode, Producer, Program, Value } from './program';

/** What every target wants: nothing twice, nothing in vain. */
export function simplified(program: Program): Program {
  return withoutDeadCode(withoutRepetition(rewrite(program, needlessCasts)));
}

/** Casts that change nothing: to the same dtype, or of a bfloat16 number that was widened to itself. */
const needlessCasts: Rule = ({ op, inputs: [given], outputs: [result] }) => {
  if (op !== 'Cast') return undefined;
  if (given.dtype === result.dtype) return [given];
  const { producer } = given;
  const isWidened = producer.kind === 'operation' && producer.op === 'Cast' && given.dtype === 'float32';
  if (!isWidened || result.dtype !== 'bfloat16' || producer.inputs[0].dtype !== 'bfloat16') return undefined;
  return [producer.inputs[0]];
};

/** The program without operations that no result needs. */
export function withoutDeadCode(program: Program): Program {
  const live = new Set<Producer>();
  const pending: Producer[] = program.results.map((value) => value.producer);
  while (pending.length > 0) {
    const producer = pending.pop()!;
    if (live.has(producer)) continue;
    live.add(producer);
    if (producer.kind === 'operation') for (const input of producer.inputs) pending.push(input.producer);
  }
  return {
    ...program,
    captures: program.captures.filter((node) => live.has(node)),
    nodes: program.nodes.filter((node) => live.has(node)),
  };
}

/** The program with equal operations on equal inputs (and equal small constants) computed once. */
export function withoutRepetition(program: Program): Program {
  const replacement = new Map<Value, Value>();
  const known = new Map<string, Producer>();
  const numbers = new Map<Producer, number>();
  const numberOf = (producer: Producer): number => {
    let number = numbers.get(producer);
    if (number === undefined) numbers.set(producer, (number = numbers.size));
    return number;
  };
  const resolve = (value: Value): Value => replacement.get(value) ?? value;
  const nodes: (ConstantNode | OperationNode)[] = [];
  for (const node of program.nodes) {
    let key: string | undefined;
    let kept: ConstantNode | OperationNode = node;
    if (node.kind === 'constant') {
      if (node.bytes.length <= 256) {
        const type = node.outputs[0];
        key = `c${type.dtype}[${type.shape.join()}]${Buffer.from(node.bytes).toString('base64')}`;
      }
    } else {
      const inputs = node.inputs.map(resolve);
      if (inputs.some((input, i) => input !== node.inputs[i])) kept = rebuild(node, inputs, replacement);
      // Two draws of a stateful operation are two draws.
      if (!findOperation(node.op)?.stateful) {
        key = `${node.op}(${inputs.map((input) => `${numberOf(input.producer)}:${input.index}`).join()}){${attributesText(node.attributes)}}`;
      }
    }
    const twin = key === undefined ? undefined : known.get(key);
    if (twin) {
      node.outputs.forEach((value, i) => replacement.set(value, twin.outputs[i]));
      continue;
    }
    if (key !== undefined) known.set(key, kept);
    nodes.push(kept);
  }
  return { ...program, nodes, results: program.results.map(resolve) };
}

function rebuild(node: OperationNode, inputs: readonly Value[], replacement: Map<Value, Value>): OperationNode {
  const copy = withInputs(node, inputs);
  node.outputs.forEach((value, index) => replacement.set(value, copy.outputs[index]));
  return copy;
}

/** How often each operation occurs, most frequent first; for profiles and tests. */
export function countOperations(program: Program): [op: string, count: number][] {
  const counts = new Map<string, number>();
  for (const node of program.nodes) if (node.kind === 'operation') counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
