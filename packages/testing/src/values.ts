import type { HostArray, HostFields, JsonValue, Parameters } from '@graft/core';
import { tf } from '@graft/engine';

/** The first difference between two lists of numbers beyond `tolerance` (relative to 1 or to the larger one). */
export function numberDifference(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  tolerance = 0,
): string | undefined {
  if (first.length !== second.length) return `${first.length} numbers against ${second.length}`;
  for (let i = 0; i < first.length; i++) {
    const [a, b] = [first[i], second[i]];
    if (Object.is(a, b) || a === b) continue;
    if (Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b))) continue;
    return `${a} against ${b} at index ${i}`;
  }
  return undefined;
}

function arrayDifference(first: HostArray, second: HostArray): string | undefined {
  if (first.dtype !== second.dtype) return `${first.dtype} against ${second.dtype}`;
  if (first.shape.join() !== second.shape.join())
    return `shape [${first.shape.join(', ')}] against [${second.shape.join(', ')}]`;
  return numberDifference(first.values, second.values);
}

/** The first difference between two items or batches; undefined: they are equal. */
export function fieldsDifference(first: HostFields | undefined, second: HostFields | undefined): string | undefined {
  if (!first || !second)
    return first === second ? undefined : `${first ? 'an item' : 'the end'} against ${second ? 'an item' : 'the end'}`;
  const names = new Set([...Object.keys(first), ...Object.keys(second)]);
  for (const name of names) {
    if (!first[name] || !second[name]) {
      if (first[name] === second[name]) continue;
      return `only one of them has the field "${name}"`;
    }
    const difference = arrayDifference(first[name], second[name]);
    if (difference !== undefined) return `the field "${name}" has ${difference}`;
  }
  return undefined;
}

/** A copy that shares no memory. */
export function copyFields(fields: HostFields): HostFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { dtype, shape, values }]) => [
      name,
      { dtype, shape: [...shape], values: values.slice() },
    ]),
  );
}

/** As a checkpoint stores it and gives it back. */
export const throughJson = (value: JsonValue): JsonValue => JSON.parse(JSON.stringify(value)) as JsonValue;

/** Values of tensors by name, on the host. */
export type Values = Readonly<Record<string, Float32Array | Int32Array | Uint8Array>>;

export function valuesOf(tensors: Parameters): Values {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.dataSync().slice()]));
}

/** The first difference between tensors of the same names. */
export function valuesDifference(first: Values, second: Values, tolerance = 0): string | undefined {
  for (const name of Object.keys(first)) {
    if (!second[name]) return `"${name}" is missing`;
    const difference = numberDifference(first[name], second[name], tolerance);
    if (difference !== undefined) return `"${name}" has ${difference}`;
  }
  return undefined;
}

/** The tensors that are alive in this process. */
export const tensorCount = (): number => tf.memory().numTensors;

export const isFiniteList = (values: ArrayLike<number>): boolean => Array.from(values).every(Number.isFinite);
