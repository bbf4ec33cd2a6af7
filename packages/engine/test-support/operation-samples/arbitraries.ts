import * as fc from 'fast-check';
import type { Attribute, Attributes } from '../../src/program/attributes';
import type { ValueType } from '../../src/program/program';

export interface Operand extends ValueType {
  /** Of a host operand. */
  readonly values?: readonly number[];
}

export interface Sample {
  readonly inputs: readonly Operand[];
  readonly attributes?: Attributes;
  readonly outputs?: number;
}

export const stringOf = (value: string): Attribute => ({ kind: 'string', value });
export const intsOf = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
export const float = (shape: readonly number[]): Operand => ({ dtype: 'float32', shape });
export const ints = (...values: number[]): Operand => ({ dtype: 'int32', shape: [values.length], values });
export const int = (value: number): Operand => ({ dtype: 'int32', shape: [], values: [value] });

export const size = fc.integer({ min: 1, max: 4 });
export const shape = (minLength = 0, maxLength = 4): fc.Arbitrary<number[]> => fc.array(size, { minLength, maxLength });
/** A shape in which some dimensions are 1 and some leading ones are missing. */
export const broadcastable = (whole: readonly number[]): fc.Arbitrary<number[]> =>
  fc
    .tuple(fc.integer({ min: 0, max: whole.length }), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }))
    .map(([from, ones]) => whole.slice(from).map((length, i) => (ones[i] ? 1 : length)));
/** Mostly the given value, sometimes another one. */
export const mostly = <T>(right: T, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: wrong });
export const axisIn = (rank: number): fc.Arbitrary<number> => fc.integer({ min: -rank - 1, max: rank });
