import type { Attributes } from '../../program/attributes';
import { axisOf, hostValues } from '../../program/operations';
import type { Value, ValueType } from '../../program/program';
import type { Emitter, Hlo } from './emitter';

/** One operation to lower: the values of its inputs, and what the program knows about it. */
export interface Lowering {
  readonly op: string;
  readonly attributes: Attributes;
  /** Inputs as values of the module; a host operand is not there, see `host`. */
  readonly inputs: readonly Hlo[];
  readonly values: readonly Value[];
  /** Types of its results. */
  readonly types: readonly ValueType[];
  readonly to: Emitter;
}

/** Writes the operation; returns its results, in order. */
export type Rule = (call: Lowering) => Hlo | readonly Hlo[];
export type Rules = Readonly<Record<string, Rule>>;

/** The numbers of a host operand; -1: of the last input. */
export function host({ values }: Pick<Lowering, 'values'>, at: number): number[] {
  return hostValues({ inputs: values }, at);
}

/** A host operand that is a dimension of an input. */
export function hostAxis(call: Lowering, at: number, rank: number): number {
  return axisOf(host(call, at)[0], rank);
}

/** Host operands that are dimensions of an input, without repetitions. */
export function hostAxes(call: Lowering, at: number, rank: number): number[] {
  return [...new Set(host(call, at).map((axis) => axisOf(axis, rank)))];
}
