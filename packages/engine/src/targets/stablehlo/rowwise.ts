import { attribute, isSet } from '../../program/attributes';
import type { Emitter, Hlo } from './emitter';
import type { Lowering, Rule, Rules } from './rule';
import { Unsupported } from './types';

const softmax: Rule = ({ to, inputs: [x] }) => {
  const last = x.shape.length - 1;
  const dims = x.shape.slice(0, -1).map((_, axis) => axis);
  const isNarrow = x.dtype === 'bfloat16' || x.dtype === 'float16';
  const wide = isNarrow ? to.convert(x, 'float32') : x;
  const spread = (rows: Hlo): Hlo => to.broadcast(rows, x.shape, dims);
  const raised = to.same('exponential', to.same('subtract', wide, spread(to.reduce(wide, [last], 'maximum'))));
  return to.convert(to.same('divide', raised, spread(to.reduce(raised, [last], 'add'))), x.dtype);
};

/** Sums of as many neighbours on both sides of each channel. */
function neighbours(to: Emitter, x: Hlo, radius: number): Hlo {
  const last = x.shape.length - 1;
  const inLast = (value: number, other: number): number[] => x.shape.map((_, axis) => (axis === last ? value : other));
  const window = {
    size: inLast(2 * radius + 1, 1),
    strides: inLast(1, 1),
    padding: inLast(radius, 0).map((size) => [size, size] as const),
  };
  return to.reduceWindow(x, window, 'add');
}

const localResponse = ({ attributes }: Lowering) => ({
  radius: attribute(attributes, 'depth_radius', 'int') ?? 5,
  bias: attribute(attributes, 'bias', 'float') ?? 1,
  alpha: attribute(attributes, 'alpha', 'float') ?? 1,
  beta: attribute(attributes, 'beta', 'float') ?? 0.5,
});

/** What LRN divides by, before it is raised to beta. */
function localNorm(to: Emitter, x: Hlo, { radius, bias, alpha }: ReturnType<typeof localResponse>): Hlo {
  const sums = neighbours(to, to.same('multiply', x, x), radius);
  return to.same('add', to.fill(x, bias), to.same('multiply', to.fill(x, alpha), sums));
}

const normalized: Rule = (call) => {
  const { to, inputs } = call;
  const settings = localResponse(call);
  const norm = localNorm(to, inputs[0], settings);
  return to.same('multiply', inputs[0], to.same('power', norm, to.fill(norm, -settings.beta)));
};

const normalizedGradient: Rule = (call) => {
  const { to, inputs } = call;
  const [gradient, x, y] = inputs;
  const settings = localResponse(call);
  const norm = localNorm(to, x, settings);
  const direct = to.same('multiply', gradient, to.same('power', norm, to.fill(norm, -settings.beta)));
  const shares = to.same('divide', to.same('multiply', gradient, y), norm);
  const scaled = to.same('multiply', to.fill(x, -2 * settings.alpha * settings.beta), x);
  return to.same('add', direct, to.same('multiply', scaled, neighbours(to, shares, settings.radius)));
};

/** With given mean and variance, as tf.batchNorm; what it computes for a backward pass is not. */
const batchNorm: Rule = ({ to, inputs, attributes, types }) => {
  if (isSet(attributes, 'is_training')) throw new Unsupported('it can only normalize with a given mean and variance.');
  const [x, scale, offset, mean, variance] = inputs;
  const axis = attribute(attributes, 'data_format', 'string') === 'NCHW' ? 1 : 3;
  const epsilon = to.fill(variance, attribute(attributes, 'epsilon', 'float') ?? 1e-4);
  const factor = to.same('multiply', to.same('rsqrt', to.same('add', variance, epsilon)), scale);
  const spread = (channels: Hlo): Hlo => to.broadcast(channels, x.shape, [axis]);
  const scaled = to.same('multiply', to.same('subtract', x, spread(mean)), spread(factor));
  const all = [to.same('add', scaled, spread(offset)), mean, variance, mean, variance];
  return all.slice(0, types.length);
};

/** Along a dimension, without changing it. */
export const rowwise: Rules = {
  Softmax: softmax,
  LRN: normalized,
  LRNGrad: normalizedGradient,
  FusedBatchNorm: batchNorm,
};
