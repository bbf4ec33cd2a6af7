import type { Attribute, Attributes } from '../program/attributes';
import type { DType } from '../program/dtypes';
import { dtypeName, tensorFlowType } from './dtypes';
import { unsupportedAttribute } from './kernel-errors';

/** One attribute of an operation, in the shape that tfjs-node's kernels use. */
export interface OpAttribute {
  name: string;
  /** A member of `ATTRIBUTE`. */
  type: number;
  value: unknown;
}

/** tfjs-node's numbers of the kinds of attributes. */
export const ATTRIBUTE = { STRING: 0, INT: 1, FLOAT: 2, BOOL: 3, DTYPE: 4, SHAPE: 5 } as const;

export const dtypeAttribute = (name: string, value: number | readonly number[]): OpAttribute => ({
  name,
  type: ATTRIBUTE.DTYPE,
  value,
});
export const flag = (name: string, value: boolean): OpAttribute => ({ name, type: ATTRIBUTE.BOOL, value });

/** A kernel's attributes as those of a program. Throws EngineError for resources. */
export function programAttributes(op: string, attributes: readonly OpAttribute[]): Attributes {
  return Object.fromEntries(attributes.map((given) => [given.name, programAttribute(op, given)]));
}

function programAttribute(op: string, { name, type, value }: OpAttribute): Attribute {
  switch (type) {
    case ATTRIBUTE.STRING:
      return { kind: 'string', value: value as string };
    case ATTRIBUTE.INT:
      return Array.isArray(value)
        ? { kind: 'ints', value: [...(value as number[])] }
        : { kind: 'int', value: value as number };
    case ATTRIBUTE.FLOAT:
      return { kind: 'float', value: value as number };
    case ATTRIBUTE.BOOL:
      return { kind: 'bool', value: Boolean(value) };
    case ATTRIBUTE.DTYPE:
      return Array.isArray(value)
        ? { kind: 'dtypes', value: (value as number[]).map(dtypeName) }
        : { kind: 'dtype', value: dtypeName(value as number) };
    case ATTRIBUTE.SHAPE:
      return { kind: 'shape', value: [...(value as number[])] };
    default:
      throw unsupportedAttribute(op, name, type);
  }
}

/** A program's attributes as eager execution takes them. */
export function nativeAttributes(attributes: Attributes): OpAttribute[] {
  return Object.entries(attributes).map(([name, attribute]) => nativeAttribute(name, attribute));
}

/** A program's attribute as eager execution takes it. */
export function nativeAttribute(name: string, { kind, value }: Attribute): OpAttribute {
  switch (kind) {
    case 'string':
      return { name, type: ATTRIBUTE.STRING, value };
    case 'int':
    case 'ints':
      return { name, type: ATTRIBUTE.INT, value };
    case 'float':
      return { name, type: ATTRIBUTE.FLOAT, value };
    case 'bool':
      return { name, type: ATTRIBUTE.BOOL, value };
    case 'dtype':
      return { name, type: ATTRIBUTE.DTYPE, value: tensorFlowType(value) };
    case 'dtypes':
      return { name, type: ATTRIBUTE.DTYPE, value: value.map((dtype: DType) => tensorFlowType(dtype)) };
    case 'shape':
      return { name, type: ATTRIBUTE.SHAPE, value };
  }
}
