import { bytesOfDType } from './dtypes';
import { elementCount } from '../shape';
import { findOperation } from './operations';
import type { Producer, Program, Value, ValueType } from './program';

/** Bytes of a value in memory. */
export const bytesOf = ({ dtype, shape }: ValueType): number => elementCount(shape) * bytesOfDType(dtype);

/**
 * Bytes that a program's code takes where nothing is compiled: every value stays until the code returns, as `tf.tidy` frees
 * values only then. An estimate, because operations free some of their own intermediate values earlier.
 */
export function estimateUncompiledMemory({ nodes }: Program): number {
  let bytes = 0;
  for (const node of nodes) {
    if (node.kind === 'operation' && findOperation(node.op)?.view) continue;
    for (const output of node.outputs) bytes += bytesOf(output);
  }
  return bytes;
}

/**
 * Bytes that a program needs in addition to its arguments and captures if operations run in the order of the trace and
 * each value is freed after its last reader. Computed only from shapes: an estimate, as executors reorder and fuse
 * operations. `inPlace`: results that overwrite an argument.
 */
export function estimateMemory(program: Program, inPlace: ReadonlySet<Value> = new Set()): number {
  /** The value that owns the memory of this value; undefined: an argument, or none. */
  const homes = new Map<Value, Value | undefined>();
  const homeOf = (value: Value): Value | undefined => homes.get(value);
  const lastReader = new Map<Value, number>();
  program.nodes.forEach((node, at) => {
    if (node.kind === 'operation')
      for (const input of node.inputs) {
        const home = homeOf(input);
        if (home) lastReader.set(home, at);
      }
    for (const output of node.outputs) {
      const seen = node.kind === 'operation' && findOperation(node.op)?.view ? node.inputs[0] : undefined;
      const none = node.kind === 'operation' && findOperation(node.op)?.fused;
      const home = seen ? homeOf(seen) : none || inPlace.has(output) ? undefined : output;
      homes.set(output, home);
      if (home && !seen) lastReader.set(home, at);
    }
  });
  const kept = new Set(program.results.map(homeOf));
  const ending = new Map<number, Value[]>();
  for (const [value, at] of lastReader) {
    if (kept.has(value)) continue;
    const values = ending.get(at);
    if (values) values.push(value);
    else ending.set(at, [value]);
  }
  let now = 0;
  let most = 0;
  program.nodes.forEach((node: Producer, at) => {
    for (const output of node.outputs) if (homes.get(output) === output) now += bytesOf(output);
    most = Math.max(most, now);
    for (const value of ending.get(at) ?? []) now -= bytesOf(value);
  });
  return most;
}
