import { attribute, isSet } from '../attributes';
import type { ValueType } from '../program';
import { axisOf, each, hostNumber, hostValues, input, ShapeError, type Call, type Operations } from './operation';

/** A reduction over the axes of the second input. */
function reduced(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  const axes = new Set(hostValues(call, 1).map((axis) => axisOf(axis, shape.length)));
  const kept = isSet(call.attributes, 'keep_dims');
  const left = shape.flatMap((size, axis) => (axes.has(axis) ? (kept ? [1] : []) : [size]));
  return [{ dtype, shape: left }];
}

export const reductions: Operations = {
  ...each('All Any Max Mean Min Prod Sum', { hostOperands: [1], infer: reduced }),
  ...each('ArgMax ArgMin', {
    hostOperands: [1],
    infer: (call) => {
      const { shape } = input(call, 0);
      const axis = axisOf(hostNumber(call, 1), shape.length);
      const dtype = attribute(call.attributes, 'output_type', 'dtype') ?? 'int64';
      return [{ dtype, shape: shape.filter((_, at) => at !== axis) }];
    },
  }),
  ...each('Cumprod Cumsum', {
    hostOperands: [1],
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      axisOf(hostNumber(call, 1), shape.length);
      return [{ dtype, shape }];
    },
  }),
  TopKV2: {
    hostOperands: [1],
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      const k = hostNumber(call, 1);
      const width = shape.at(-1);
      if (width === undefined || k < 0 || k > width)
        throw new ShapeError(`the ${k} largest numbers cannot be taken from rows of ${width ?? 'no'} numbers.`);
      const top = [...shape.slice(0, -1), k];
      return [
        { dtype, shape: top },
        { dtype: attribute(call.attributes, 'index_type', 'dtype') ?? 'int32', shape: top },
      ];
    },
  },
};
