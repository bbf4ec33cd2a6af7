import type { OperationProfile } from '../../jit/profile';
import { nativeAttributes } from '../../kernels/attributes';
import { tensorFlowType } from '../../kernels/dtypes';
import type { Producer, Program } from '../../program/program';
import type { NativeRuntime, NativeTensor } from './native/runtime';

/**
 * Runs a program operation by operation and measures each: the time of a graph executor without parallelism, and
 * without the fusions of a compiler. The most expensive come first.
 */
export function profileProgram(
  runtime: NativeRuntime,
  program: Program,
  inputs: readonly NativeTensor[],
): OperationProfile[] {
  const lastUse = new Map<Producer, number>();
  program.nodes.forEach((node, i) => {
    lastUse.set(node, i);
    if (node.kind === 'operation') for (const { producer } of node.inputs) lastUse.set(producer, i);
  });
  for (const { producer } of program.results) lastUse.set(producer, Infinity);
  const dying = new Map<number, Producer[]>();
  for (const [producer, at] of lastUse) dying.set(at, [...(dying.get(at) ?? []), producer]);

  const values = new Map<Producer, readonly NativeTensor[]>();
  [...program.arguments, ...program.captures].forEach((node, i) => values.set(node, [inputs[i]]));
  const given = new Set<Producer>(values.keys());
  const free = (producer: Producer): void => {
    if (!given.has(producer)) for (const tensor of values.get(producer) ?? []) runtime.deleteTensor(tensor);
    values.delete(producer);
  };
  const totals = new Map<string, { op: string; operands: string; count: number; milliseconds: number }>();
  program.nodes.forEach((node, i) => {
    if (node.kind === 'constant') {
      const [{ shape, dtype }] = node.outputs;
      values.set(node, [runtime.createTensor(shape, tensorFlowType(dtype), node.bytes)]);
    } else {
      const operands = node.inputs.map(({ producer, index }) => values.get(producer)![index]);
      const start = performance.now();
      const results = runtime.execute(node.op, nativeAttributes(node.attributes), operands, node.outputs.length);
      const milliseconds = performance.now() - start;
      values.set(node, results);
      const text = node.inputs.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`).join(' ');
      const key = `${node.op} ${text}`;
      const total = totals.get(key) ?? { op: node.op, operands: text, count: 0, milliseconds: 0 };
      totals.set(key, { ...total, count: total.count + 1, milliseconds: total.milliseconds + milliseconds });
    }
    for (const producer of dying.get(i) ?? []) free(producer);
  });
  for (const producer of [...values.keys()]) free(producer);
  return [...totals.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}
