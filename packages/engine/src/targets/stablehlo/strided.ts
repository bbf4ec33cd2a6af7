import { stridedSlice as readSlice, type Taken } from '../../program/operations';
import type { Rule } from './rule';

/** Lowest places of slices, and the dimensions that are taken backwards. */
function forwards(taken: readonly Taken[]): { from: number[]; steps: number[]; turned: number[] } {
  return {
    from: taken.map(({ from, length, stride }) =>
      length === 0 ? 0 : stride < 0 ? from + (length - 1) * stride : from,
    ),
    steps: taken.map(({ stride }) => Math.abs(stride)),
    turned: taken.flatMap(({ stride, length }, axis) => (stride < 0 && length > 1 ? [axis] : [])),
  };
}

export const stridedSlice: Rule = (call) => {
  const { to, inputs, values, attributes, types } = call;
  const { taken } = readSlice({ inputs: values, attributes });
  const { from, steps, turned } = forwards(taken);
  const lengths = taken.map(({ length }) => length);
  return to.reshape(to.reverse(to.slice(inputs[0], from, lengths, steps), turned), types[0].shape);
};

/** Values, broadcast, in the place of a slice. */
export const stridedUpdate: Rule = (call) => {
  const { to, inputs, values, attributes } = call;
  const x = inputs[0];
  const given = inputs[4];
  // The part as its users see it: without dimensions of which one place is taken, with new ones.
  const { taken, shape: seen } = readSlice({ inputs: values, attributes });
  const { from, steps, turned } = forwards(taken);
  const lengths = taken.map(({ length }) => length);
  if (lengths.includes(0)) return x;
  // Sizes of 1 in front are ignored.
  const fitting = to.reshape(given, given.shape.slice(Math.max(0, given.shape.length - seen.length)));
  const part = to.reverse(to.reshape(to.broadcastTo(fitting, seen), lengths), turned);
  if (steps.every((step) => step === 1)) {
    const starts = from.map((place) => to.scalar('int32', place));
    return to.op('dynamic_update_slice', [x, part, ...starts], x);
  }
  const interior = steps.map((step) => step - 1);
  const high = lengths.map((length, axis) => x.shape[axis] - from[axis] - ((length - 1) * steps[axis] + 1));
  const spread = to.pad(part, to.scalar(x.dtype, 0), from, high, interior);
  const isTaken = to.pad(to.fill({ dtype: 'bool', shape: lengths }, 1), to.scalar('bool', 0), from, high, interior);
  return to.select(isTaken, spread, x);
};
