import { attribute } from '../../program/attributes';
import { elementCount } from '../../shape';
import { host, type Rule } from './rule';

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

/** Each dimension of space is cut into blocks; places within them move to the front of the batch. */
export const spaceToBatch: Rule = (call) => {
  const { to, types } = call;
  const [x] = call.inputs;
  const block = host(call, 1);
  const around = host(call, 2);
  const rank = x.shape.length;
  const amount = (side: number): number[] => x.shape.map((_, axis) => around[2 * (axis - 1) + side] ?? 0);
  const isSpace = (axis: number): boolean => axis > 0 && axis <= block.length;
  const edges = [0, 1].map((side) => amount(side).map((size, axis) => (isSpace(axis) ? size : 0)));
  const padded = to.pad(x, to.scalar(x.dtype, 0), edges[0], edges[1]);
  const cut = block.flatMap((size, i) => [padded.shape[i + 1] / size, size]);
  const count = block.length;
  const split = to.reshape(padded, [x.shape[0], ...cut, ...x.shape.slice(1 + count)]);
  const order = [
    ...block.map((_, i) => 2 * i + 2),
    0,
    ...block.map((_, i) => 2 * i + 1),
    ...range(1 + 2 * count, rank + count),
  ];
  return to.reshape(to.transpose(split, order), types[0].shape);
};

/** The inverse: what stands in front of the batch goes into blocks of space, whose edges are cropped. */
export const batchToSpace: Rule = (call) => {
  const { to, types } = call;
  const [x] = call.inputs;
  const block = host(call, 1);
  const around = host(call, 2);
  const count = block.length;
  const batch = x.shape[0] / elementCount(block);
  const split = to.reshape(x, [...block, batch, ...x.shape.slice(1)]);
  const order = [
    count,
    ...block.flatMap((_, i) => [count + 1 + i, i]),
    ...range(2 * count + 1, x.shape.length + count),
  ];
  const space = block.map((size, i) => x.shape[i + 1] * size);
  const whole = to.reshape(to.transpose(split, order), [batch, ...space, ...x.shape.slice(1 + count)]);
  const from = whole.shape.map((_, axis) => (axis > 0 && axis <= count ? around[2 * (axis - 1)] : 0));
  return to.slice(whole, from, types[0].shape);
};

/** Channels become blocks of height and width. */
export const depthToSpace: Rule = ({ to, inputs: [x], attributes, types }) => {
  const size = attribute(attributes, 'block_size', 'int') ?? 1;
  if (attribute(attributes, 'data_format', 'string') === 'NCHW') {
    const [batch, depth, height, width] = x.shape;
    const split = to.reshape(x, [batch, size, size, depth / size ** 2, height, width]);
    return to.reshape(to.transpose(split, [0, 3, 4, 1, 5, 2]), types[0].shape);
  }
  const [batch, height, width, depth] = x.shape;
  const split = to.reshape(x, [batch, height, width, size, size, depth / size ** 2]);
  return to.reshape(to.transpose(split, [0, 1, 3, 2, 4, 5]), types[0].shape);
};
