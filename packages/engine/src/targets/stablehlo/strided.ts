import { attribute } from '../../program/attributes';
import { host, type Lowering, type Rule } from './rule';

/** What a strided slice takes of one dimension: `length` places from `from` on. */
interface Taken {
  readonly from: number;
  readonly length: number;
  readonly stride: number;
}

/** NumPy's slices with TensorFlow's five masks, dimension by dimension of the input; the program has checked them. */
function takenOf(call: Lowering): Taken[] {
  const { shape } = call.values[0];
  const [begin, end, strides] = [1, 2, 3].map((at) => host(call, at));
  const isMasked = (name: string, at: number): boolean =>
    ((attribute(call.attributes, `${name}_mask`, 'int') ?? 0) & (1 << at)) !== 0;
  const consumed = begin.filter((_, at) => !isMasked('ellipsis', at) && !isMasked('new_axis', at)).length;
  const whole = (axis: number): Taken => ({ from: 0, length: shape[axis], stride: 1 });
  const taken: Taken[] = [];
  begin.forEach((first, at) => {
    if (isMasked('ellipsis', at)) {
      for (let i = 0; i < shape.length - consumed; i++) taken.push(whole(taken.length));
      return;
    }
    if (isMasked('new_axis', at)) return;
    const size = shape[taken.length];
    const stride = strides[at];
    if (isMasked('shrink_axis', at)) {
      taken.push({ from: first < 0 ? first + size : first, length: 1, stride: 1 });
      return;
    }
    const [lowest, highest] = stride > 0 ? [0, size] : [-1, size - 1];
    const clamp = (place: number): number => Math.min(Math.max(place < 0 ? place + size : place, lowest), highest);
    const from = isMasked('begin', at) ? (stride > 0 ? lowest : highest) : clamp(first);
    const to = isMasked('end', at) ? (stride > 0 ? highest : lowest) : clamp(end[at]);
    taken.push({ from, length: Math.max(0, Math.ceil((to - from) / stride)), stride });
  });
  while (taken.length < shape.length) taken.push(whole(taken.length));
  return taken;
}

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
  const { to, inputs, types } = call;
  const taken = takenOf(call);
  const { from, steps, turned } = forwards(taken);
  const lengths = taken.map(({ length }) => length);
  return to.reshape(to.reverse(to.slice(inputs[0], from, lengths, steps), turned), types[0].shape);
};

/** Values, broadcast, in the place of a slice. */
export const stridedUpdate: Rule = (call) => {
  const { to, inputs } = call;
  const x = inputs[0];
  const given = inputs[4];
  const taken = takenOf(call);
  const { from, steps, turned } = forwards(taken);
  const lengths = taken.map(({ length }) => length);
  if (lengths.includes(0)) return x;
  // The part as its users see it: without dimensions of which one place is taken, with new ones.
  const seen = partShape(call, lengths);
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

function partShape(call: Lowering, lengths: readonly number[]): number[] {
  const masks = ['ellipsis', 'new_axis', 'shrink_axis'].map(
    (name) => attribute(call.attributes, `${name}_mask`, 'int') ?? 0,
  );
  const begin = host(call, 1);
  const consumed = begin.filter((_, at) => ((masks[0] | masks[1]) & (1 << at)) === 0).length;
  const result: number[] = [];
  let axis = 0;
  begin.forEach((_, at) => {
    if (masks[0] & (1 << at)) {
      const hidden = lengths.length - consumed;
      result.push(...lengths.slice(axis, axis + hidden));
      axis += hidden;
    } else if (masks[1] & (1 << at)) result.push(1);
    else if (masks[2] & (1 << at)) axis++;
    else result.push(lengths[axis++]);
  });
  return [...result, ...lengths.slice(axis)];
}
