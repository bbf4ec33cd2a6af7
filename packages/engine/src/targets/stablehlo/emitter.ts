import type { MeshAxes } from '../../mesh/types';
import type { DType } from '../../program/dtypes';
import { broadcastShape } from '../../program/operations/operation';
import type { ValueType } from '../../program/program';
import { elementCount } from '../../shape';
import { denseBytes, extreme, integers, isFloat, isUnsigned, numberText, typeText } from './types';

/** A value of the module: its name in MLIR and its type. */
export interface Hlo extends ValueType {
  readonly name: string;
}

/** What combines two numbers in reductions, windows and scatters. */
export type Combiner = 'add' | 'multiply' | 'maximum' | 'minimum' | 'and' | 'or' | 'replace';
export type Direction = 'EQ' | 'NE' | 'GE' | 'GT' | 'LE' | 'LT';

/** Windows over all dimensions, as StableHLO wants them. */
export interface Window {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [before: number, after: number])[];
}

export const paddingText = (padding: Window['padding']): string =>
  padding.length === 0
    ? 'dense<> : tensor<0x2xi64>'
    : `dense<[${padding.map(([before, after]) => `[${before}, ${after}]`).join(', ')}]> : tensor<${padding.length}x2xi64>`;

/** Writes operations of StableHLO in MLIR's generic form; every method returns a value. */
export class Emitter {
  readonly lines: string[] = [];
  private count = 0;

  /**
   * `platform`: of the compiler, as PJRT names it. `axes`: those of the mesh over which the program is split; default: it
   * is for one device.
   */
  constructor(
    readonly platform = 'cpu',
    readonly axes?: MeshAxes,
  ) {}

  /** Whether the compiler adds up narrow products in float32 before it rounds to a narrow result. */
  get roundsProducts(): boolean {
    return ['cuda', 'rocm', 'tpu'].includes(this.platform);
  }

  many(
    op: string,
    inputs: readonly Hlo[],
    types: readonly ValueType[],
    attributes: readonly string[] = [],
    region = '',
  ): Hlo[] {
    const outputs = types.map(({ dtype, shape }): Hlo => ({ dtype, shape, name: `%${this.count++}` }));
    const left = outputs.length > 0 ? `${outputs.map(({ name }) => name).join(', ')} = ` : '';
    const middle = `${region && ` ({${region}})`}${attributes.length > 0 ? ` {${attributes.join(', ')}}` : ''}`;
    const signature = `(${inputs.map(typeText).join(', ')}) -> (${types.map(typeText).join(', ')})`;
    const called = op.includes('.') ? op : `stablehlo.${op}`;
    this.lines.push(`${left}"${called}"(${inputs.map(({ name }) => name).join(', ')})${middle} : ${signature}`);
    return outputs;
  }

  op(op: string, inputs: readonly Hlo[], type: ValueType, attributes?: readonly string[], region?: string): Hlo {
    return this.many(op, inputs, [type], attributes, region)[0];
  }

  /** An operation whose result has the type of its first input. */
  same(op: string, ...inputs: Hlo[]): Hlo {
    return this.op(op, inputs, inputs[0]);
  }

  constant(type: ValueType, bytes: Uint8Array): Hlo {
    if (type.dtype !== 'bool') return this.op('constant', [], type, [`value = ${denseBytes(type, bytes)}`]);
    // MLIR packs bits of booleans in some versions and not in others.
    const byteType: ValueType = { dtype: 'uint8', shape: type.shape };
    return this.compare('NE', this.constant(byteType, bytes), this.fill(byteType, 0));
  }

  /** One number everywhere. */
  fill(type: ValueType, value: number | bigint): Hlo {
    const content = elementCount(type.shape) === 0 ? '' : numberText(type.dtype, value);
    return this.op('constant', [], { dtype: type.dtype, shape: type.shape }, [
      `value = dense<${content}> : ${typeText(type)}`,
    ]);
  }

  scalar(dtype: DType, value: number | bigint): Hlo {
    return this.fill({ dtype, shape: [] }, value);
  }

  /** Places along a dimension: 0, 1, 2, ... */
  iota(type: ValueType, axis: number): Hlo {
    return this.op('iota', [], type, [`iota_dimension = ${axis} : i64`]);
  }

  /** `dims`: the result's dimension of each of the value's; those of the size 1 are repeated. */
  broadcast(value: Hlo, shape: readonly number[], dims: readonly number[]): Hlo {
    return this.op('broadcast_in_dim', [value], { dtype: value.dtype, shape }, [
      `broadcast_dimensions = ${integers(dims)}`,
    ]);
  }

  /** As NumPy: aligned at the last dimension. */
  broadcastTo(value: Hlo, shape: readonly number[]): Hlo {
    if (value.shape.join() === shape.join()) return value;
    const missing = shape.length - value.shape.length;
    return this.broadcast(
      value,
      shape,
      value.shape.map((_, axis) => axis + missing),
    );
  }

  /** All of them, broadcast to one shape. */
  together(...values: Hlo[]): Hlo[] {
    const shape = values.map((value) => [...value.shape]).reduce((a, b) => broadcastShape(a, b));
    return values.map((value) => this.broadcastTo(value, shape));
  }

  reshape(value: Hlo, shape: readonly number[]): Hlo {
    if (value.shape.join() === shape.join()) return value;
    return this.op('reshape', [value], { dtype: value.dtype, shape });
  }

  transpose(value: Hlo, order: readonly number[]): Hlo {
    if (order.every((axis, at) => axis === at)) return value;
    const shape = order.map((axis) => value.shape[axis]);
    return this.op('transpose', [value], { dtype: value.dtype, shape }, [`permutation = ${integers(order)}`]);
  }

  reverse(value: Hlo, axes: readonly number[]): Hlo {
    return axes.length === 0 ? value : this.op('reverse', [value], value, [`dimensions = ${integers(axes)}`]);
  }

  slice(value: Hlo, from: readonly number[], sizes: readonly number[], strides = from.map(() => 1)): Hlo {
    const limits = from.map((start, axis) =>
      sizes[axis] === 0 ? start : start + (sizes[axis] - 1) * strides[axis] + 1,
    );
    return this.op('slice', [value], { dtype: value.dtype, shape: sizes }, [
      `start_indices = ${integers(from)}`,
      `limit_indices = ${integers(limits)}`,
      `strides = ${integers(strides)}`,
    ]);
  }

  /** A part of one dimension. */
  part(value: Hlo, axis: number, from: number, size: number): Hlo {
    const start = value.shape.map((_, at) => (at === axis ? from : 0));
    return this.slice(
      value,
      start,
      value.shape.map((length, at) => (at === axis ? size : length)),
    );
  }

  /** Negative paddings cut. */
  pad(
    value: Hlo,
    fill: Hlo,
    low: readonly number[],
    high: readonly number[],
    interior: readonly number[] = low.map(() => 0),
  ): Hlo {
    const shape = value.shape.map(
      (size, axis) => low[axis] + high[axis] + size + Math.max(0, size - 1) * interior[axis],
    );
    return this.op('pad', [value, fill], { dtype: value.dtype, shape }, [
      `edge_padding_low = ${integers(low)}`,
      `edge_padding_high = ${integers(high)}`,
      `interior_padding = ${integers(interior)}`,
    ]);
  }

  concat(parts: readonly Hlo[], axis: number): Hlo {
    if (parts.length === 1) return parts[0];
    const length = parts.reduce((sum, { shape }) => sum + shape[axis], 0);
    const shape = parts[0].shape.map((size, at) => (at === axis ? length : size));
    return this.op('concatenate', parts, { dtype: parts[0].dtype, shape }, [`dimension = ${axis} : i64`]);
  }

  convert(value: Hlo, dtype: DType): Hlo {
    return value.dtype === dtype ? value : this.op('convert', [value], { dtype, shape: value.shape });
  }

  compare(direction: Direction, a: Hlo, b: Hlo): Hlo {
    return this.op('compare', [a, b], { dtype: 'bool', shape: a.shape }, [comparison(direction, a.dtype)]);
  }

  /** Compares with one number. */
  compareTo(direction: Direction, value: Hlo, number: number): Hlo {
    return this.compare(direction, value, this.fill(value, number));
  }

  select(condition: Hlo, yes: Hlo, no: Hlo): Hlo {
    return this.op('select', [condition, yes, no], yes);
  }

  /** The dimensions vanish. bfloat16 and float16 add up in float32. */
  reduce(value: Hlo, axes: readonly number[], combiner: Combiner): Hlo {
    const isNarrow = (value.dtype === 'bfloat16' || value.dtype === 'float16') && combiner !== 'maximum';
    if (isNarrow) return this.convert(this.reduce(this.convert(value, 'float32'), axes, combiner), value.dtype);
    const shape = value.shape.filter((_, axis) => !axes.includes(axis));
    return this.op(
      'reduce',
      [value, this.scalar(value.dtype, identityOf(combiner, value.dtype))],
      { dtype: value.dtype, shape },
      [`dimensions = ${integers(axes)}`],
      combining(combiner, value.dtype),
    );
  }

  reduceWindow(value: Hlo, { size, strides, padding }: Window, combiner: Combiner): Hlo {
    const shape = value.shape.map((length, axis) => {
      const padded = length + padding[axis][0] + padding[axis][1];
      return Math.max(0, Math.floor((padded - size[axis]) / strides[axis]) + 1);
    });
    return this.op(
      'reduce_window',
      [value, this.scalar(value.dtype, identityOf(combiner, value.dtype))],
      { dtype: value.dtype, shape },
      [
        `window_dimensions = ${integers(size)}`,
        `window_strides = ${integers(strides)}`,
        `padding = ${paddingText(padding)}`,
      ],
      combining(combiner, value.dtype),
    );
  }
}

export function comparison(direction: Direction, dtype: DType): string {
  const kind = isFloat(dtype) || dtype === 'complex64' ? 'FLOAT' : isUnsigned(dtype) ? 'UNSIGNED' : 'SIGNED';
  return `comparison_direction = #stablehlo<comparison_direction ${direction}>, compare_type = #stablehlo<comparison_type ${kind}>`;
}

function identityOf(combiner: Combiner, dtype: DType): number | bigint {
  if (combiner === 'maximum') return extreme(dtype, 'lowest');
  if (combiner === 'minimum') return extreme(dtype, 'highest');
  return combiner === 'multiply' || combiner === 'and' ? 1 : 0;
}

/** The region of a reduction, or of a scatter, whose second number is the update. */
export function combining(combiner: Combiner, dtype: DType): string {
  const t = typeText({ dtype, shape: [] });
  const start = `^bb0(%x: ${t}, %y: ${t}):`;
  if (combiner === 'replace') return `${start} "stablehlo.return"(%y) : (${t}) -> ()`;
  // Sums of booleans are disjunctions.
  const op = dtype === 'bool' && combiner === 'add' ? 'or' : combiner;
  return `${start} %z = "stablehlo.${op}"(%x, %y) : (${t}, ${t}) -> ${t} "stablehlo.return"(%z) : (${t}) -> ()`;
}
