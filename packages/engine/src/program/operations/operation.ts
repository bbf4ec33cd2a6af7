import { fromBytes } from '../bytes';
import { attribute, type Attributes, type AttributeValues } from '../attributes';
import type { DType } from '../dtypes';
import type { Value, ValueType } from '../program';

/** One use of an operation, as its shape rule sees it. */
export interface Call {
  readonly op: string;
  readonly attributes: Attributes;
  readonly inputs: readonly Value[];
  readonly outputCount: number;
}

/** What is known about an operation, whatever runs it. Its names and attributes are TensorFlow's. */
export interface Operation {
  /** Dtypes and shapes of its results. Throws ShapeError or DynamicShape. */
  readonly infer: (call: Call) => readonly ValueType[];
  /** Inputs whose values must be known when the program is built, by position; -1: the last. */
  readonly hostOperands?: readonly number[];
  /** Its result shares the memory of its first input, as a view or partly overwritten. */
  readonly view?: boolean;
  /** Compilers fuse it into its consumer: its result is never in memory. */
  readonly fused?: boolean;
  /** Two calls with the same inputs are two calls: they draw, or have an effect. */
  readonly stateful?: boolean;
}

/** The inputs of an operation do not fit together; the message says why. */
export class ShapeError extends Error {}

/** The shape of a result depends on values that only the run knows. */
export class DynamicShape extends Error {}

export type Operations = Readonly<Record<string, Operation>>;

/** The same value under several names: `each('Sin Cos', rule)`. */
export function each<T>(names: string, value: T): Readonly<Record<string, T>> {
  return Object.fromEntries(names.split(' ').map((name) => [name, value]));
}

export const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

export function input({ inputs }: Pick<Call, 'inputs'>, at: number): Value {
  const value = inputs.at(at);
  if (value) return value;
  throw new ShapeError(`it has ${inputs.length} inputs, so input ${at + 1} is missing.`);
}

/** The values of a host operand. Throws DynamicShape if only the run knows them. */
export function hostValues(call: Pick<Call, 'inputs'>, at: number): number[] {
  const { producer, dtype } = input(call, at);
  if (producer.kind !== 'constant') throw new DynamicShape();
  return Array.from(fromBytes(producer.bytes.slice(), dtype), Number);
}

/** A host operand that is one number. */
export function hostNumber(call: Call, at: number): number {
  const values = hostValues(call, at);
  if (values.length !== 1) throw new ShapeError(`input ${at + 1} must be one number, but has ${values.length}.`);
  return values[0];
}

/** An attribute that the operation cannot do without. */
export function required<K extends keyof AttributeValues>(
  call: Pick<Call, 'attributes'>,
  name: string,
  kind: K,
): AttributeValues[K] {
  const value = attribute(call.attributes, name, kind);
  if (value === undefined) throw new ShapeError(`its attribute "${name}" is missing.`);
  return value;
}

/** The dtype that all of these values have. */
export function sameDType(values: readonly ValueType[]): DType {
  const [first, ...others] = values;
  const other = others.find(({ dtype }) => dtype !== first.dtype);
  if (other) throw new ShapeError(`its inputs must have one dtype, but are ${first.dtype} and ${other.dtype}.`);
  return first.dtype;
}

export function sameShape(values: readonly ValueType[]): readonly number[] {
  const [first, ...others] = values;
  const other = others.find(({ shape }) => shape.join() !== first.shape.join());
  if (other)
    throw new ShapeError(
      `its inputs must have one shape, but have ${shapeText(first.shape)} and ${shapeText(other.shape)}.`,
    );
  return first.shape;
}

export function expectRank(value: ValueType, rank: number, what: string): void {
  if (value.shape.length !== rank)
    throw new ShapeError(`${what} must have ${rank} dimensions, but has the shape ${shapeText(value.shape)}.`);
}

/** The shape to which both are broadcast, as in NumPy. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1)
      throw new ShapeError(`the shapes ${shapeText(a)} and ${shapeText(b)} cannot be broadcast together.`);
    return left === 1 ? right : left;
  });
}

/** A dimension counted from either end, in 0 .. rank - 1. */
export function axisOf(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw new ShapeError(`there is no dimension ${axis} in ${rank} dimensions.`);
  return axis < 0 ? axis + rank : axis;
}

/** A shape with another size in one place. */
export function replaceAt(shape: readonly number[], at: number, size: number): number[] {
  return shape.map((length, axis) => (axis === at ? size : length));
}

/** A shape with one more dimension, before the one at that place. */
export function insertAt(shape: readonly number[], at: number, size: number): number[] {
  return [...shape.slice(0, at), size, ...shape.slice(at)];
}
