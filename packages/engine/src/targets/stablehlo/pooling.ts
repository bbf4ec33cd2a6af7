import { windowsOf, type Extent } from '../../program/operations';
import { combining, comparison, paddingText, type Emitter, type Hlo, type Window } from './emitter';
import type { Rule, Rules } from './rule';
import { integers, typeText } from './types';

function windowOf(rank: number, extents: readonly Extent[]): Window {
  const at = <T>(of: (extent: Extent) => T, other: T): T[] =>
    Array.from({ length: rank }, (_, axis) => {
      const extent = extents.find((one) => one.axis === axis);
      return extent ? of(extent) : other;
    });
  return {
    size: at(({ filter }) => filter, 1),
    strides: at(({ stride }) => stride, 1),
    padding: at<readonly [number, number]>(({ before, after }) => [before, after], [0, 0]),
  };
}

/** How many values each window has, padding aside. */
const counts = (to: Emitter, dtype: Hlo['dtype'], shape: readonly number[], window: Window): Hlo =>
  to.reduceWindow(to.fill({ dtype, shape }, 1), window, 'add');

const average: Rule = (call) => {
  const { to } = call;
  const [x] = call.inputs;
  const window = windowOf(x.shape.length, windowsOf(call, x.shape));
  return to.same('divide', to.reduceWindow(x, window, 'add'), counts(to, x.dtype, x.shape, window));
};

const largest: Rule = (call) => {
  const [x] = call.inputs;
  return call.to.reduceWindow(x, windowOf(x.shape.length, windowsOf(call, x.shape)), 'maximum');
};

/** Each value takes its share of every window that it is in. */
const averageGradient: Rule = (call) => {
  const { to, types, inputs } = call;
  const [{ dtype, shape }] = types;
  const extents = windowsOf(call, shape);
  const window = windowOf(shape.length, extents);
  const shares = to.same('divide', inputs[1], counts(to, dtype, shape, window));
  const low = shape.map(() => 0);
  const high = shape.map(() => 0);
  const interior = window.strides.map((stride) => stride - 1);
  for (const { axis, size, filter, stride, result, before } of extents) {
    low[axis] = filter - 1 - before;
    high[axis] = size - 1 - (result - 1) * stride + before;
  }
  const spread = to.pad(shares, to.scalar(dtype, 0), low, high, interior);
  const single: Window = {
    size: window.size,
    strides: shape.map(() => 1),
    padding: shape.map(() => [0, 0] as const),
  };
  return to.reduceWindow(spread, single, 'add');
};

/** To the largest value of each window; of equal ones to the first. */
const largestGradient: Rule = (call) => {
  const { to, types, inputs } = call;
  const [x, , gradient] = inputs;
  const window = windowOf(x.shape.length, windowsOf(call, x.shape));
  const [t, b] = [x.dtype, 'bool' as const].map((dtype) => typeText({ dtype, shape: [] }));
  const choice = [
    `^bb0(%x: ${t}, %y: ${t}):`,
    `%z = "stablehlo.compare"(%x, %y) {${comparison('GE', x.dtype)}} : (${t}, ${t}) -> ${b}`,
    `"stablehlo.return"(%z) : (${b}) -> ()`,
  ].join(' ');
  return to.op(
    'select_and_scatter',
    [x, gradient, to.scalar(x.dtype, 0)],
    types[0],
    [
      `window_dimensions = ${integers(window.size)}`,
      `window_strides = ${integers(window.strides)}`,
      `padding = ${paddingText(window.padding)}`,
    ],
    `${choice}}, {${combining('add', x.dtype)}`,
  );
};

export const poolings: Rules = {
  AvgPool: average,
  AvgPool3D: average,
  MaxPool: largest,
  MaxPool3D: largest,
  AvgPoolGrad: averageGradient,
  AvgPool3DGrad: averageGradient,
  MaxPoolGrad: largestGradient,
  MaxPool3DGrad: largestGradient,
};
