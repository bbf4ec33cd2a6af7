import { channelsAt, spaceOf } from '../../program/operations';
import type { ValueType } from '../../program/program';
import { paddingText, type Emitter, type Hlo } from './emitter';
import { type Lowering, type Rule, type Rules } from './rule';
import { integers } from './types';

/** The three shapes of a convolution: where the batch (or inputs) and features are; space keeps its order. */
interface Places {
  readonly values: readonly [batch: number, feature: number];
  readonly filter: readonly [input: number, output: number];
  readonly result: readonly [batch: number, feature: number];
}

interface Settings {
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly valueDilation?: readonly number[];
  readonly filterDilation?: readonly number[];
  readonly groups?: number;
  readonly batchGroups?: number;
}

/** `[b, 0, 1, f]`: what each dimension is. */
function layout(rank: number, [first, second]: readonly [number, number], names: string): string {
  let space = 0;
  const letters = Array.from({ length: rank }, (_, at) =>
    at === first ? names[0] : at === second ? names[1] : String(space++),
  );
  return `[${letters.join(', ')}]`;
}

function convolve(to: Emitter, values: Hlo, filter: Hlo, type: ValueType, places: Places, settings: Settings): Hlo {
  const rank = values.shape.length;
  const ones = settings.strides.map(() => 1);
  const numbers = `${layout(rank, places.values, 'bf')}x${layout(rank, places.filter, 'io')}->${layout(rank, places.result, 'bf')}`;
  return to.op('convolution', [values, filter], type, [
    `window_strides = ${integers(settings.strides)}`,
    `padding = ${paddingText(settings.padding)}`,
    `lhs_dilation = ${integers(settings.valueDilation ?? ones)}`,
    `rhs_dilation = ${integers(settings.filterDilation ?? ones)}`,
    `dimension_numbers = #stablehlo.conv<${numbers}>`,
    `feature_group_count = ${settings.groups ?? 1} : i64`,
    `batch_group_count = ${settings.batchGroups ?? 1} : i64`,
    'precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]',
  ]);
}

const filterPlaces = (spatial: number): [number, number] => [spatial, spatial + 1];

/** A depthwise filter [..space, channels, multiplier] as one of groups: [..space, 1, channels * multiplier]. */
function grouped(to: Emitter, filter: Hlo): Hlo {
  const [channels, multiplier] = filter.shape.slice(-2);
  return to.reshape(filter, [...filter.shape.slice(0, -2), 1, channels * multiplier]);
}

function forward(call: Lowering, values: Hlo, filter: Hlo): Hlo {
  const spatial = values.shape.length - 2;
  const channels = channelsAt(call, spatial);
  const extents = spaceOf(call, values.shape, filter.shape.slice(0, spatial));
  const places: Places = { values: [0, channels], filter: filterPlaces(spatial), result: [0, channels] };
  return convolve(call.to, values, filter, call.types[0], places, {
    strides: extents.map(({ stride }) => stride),
    padding: extents.map(({ before, after }) => [before, after]),
    filterDilation: extents.map(({ dilation }) => dilation),
    groups: values.shape[channels] / filter.shape[spatial],
  });
}

const convolution: Rule = (call) => forward(call, call.inputs[0], call.inputs[1]);
const depthwise: Rule = (call) => forward(call, call.inputs[0], grouped(call.to, call.inputs[1]));

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The gradient, spread by the strides, convolved with the reversed filter, whose channels in and out change places. */
function toValues(isDepthwise: boolean): Rule {
  return (call) => {
    const { to, types, inputs } = call;
    const [, filter, gradient] = inputs;
    const spatial = filter.shape.length - 2;
    const channels = channelsAt(call, spatial);
    const extents = spaceOf(call, types[0].shape, filter.shape.slice(0, spatial));
    const turned = to.reverse(filter, range(spatial));
    // Depthwise, each channel is a group: its multiplier goes in, one channel comes out.
    const groups = isDepthwise ? filter.shape[spatial] : types[0].shape[channels] / filter.shape[spatial];
    const kernel = isDepthwise || groups === 1 ? turned : ungrouped(to, turned, groups);
    const places: Places = {
      values: [0, channels],
      filter: isDepthwise || groups === 1 ? [spatial + 1, spatial] : filterPlaces(spatial),
      result: [0, channels],
    };
    return convolve(to, gradient, kernel, types[0], places, {
      strides: extents.map(() => 1),
      padding: extents.map(({ size, filter: width, stride, dilation, result, before }) => {
        const low = (width - 1) * dilation - before;
        return [low, size - 1 - (result - 1) * stride + before];
      }),
      valueDilation: extents.map(({ stride }) => stride),
      filterDilation: extents.map(({ dilation }) => dilation),
      groups,
    });
  };
}

/** A filter of groups [..space, in, groups * out] as [..space, out, groups * in]. */
function ungrouped(to: Emitter, filter: Hlo, groups: number): Hlo {
  const spatial = filter.shape.length - 2;
  const [inside, outside] = filter.shape.slice(-2);
  const space = filter.shape.slice(0, spatial);
  const split = to.reshape(filter, [...space, inside, groups, outside / groups]);
  const swapped = to.transpose(split, [...range(spatial), spatial + 2, spatial + 1, spatial]);
  return to.reshape(swapped, [...space, outside / groups, groups * inside]);
}

/** The values convolved with the gradient: the batch is summed over, channels take its place. */
function toFilter(isDepthwise: boolean): Rule {
  return (call) => {
    const { to, types, inputs } = call;
    const [values, , gradient] = inputs;
    const { shape, dtype } = types[0];
    const spatial = shape.length - 2;
    const channels = channelsAt(call, spatial);
    const extents = spaceOf(call, values.shape, shape.slice(0, spatial));
    const groups = values.shape[channels] / (isDepthwise ? 1 : shape[spatial]);
    const flat = isDepthwise ? [...shape.slice(0, spatial), 1, shape[spatial] * shape[spatial + 1]] : shape;
    const places: Places = { values: [channels, 0], filter: [0, channels], result: filterPlaces(spatial) };
    const result = convolve(to, values, gradient, { dtype, shape: flat }, places, {
      strides: extents.map(({ dilation }) => dilation),
      padding: extents.map(({ size, filter, stride, dilation, result, before }) => [
        before,
        (filter - 1) * dilation + (result - 1) * stride + 1 - size - before,
      ]),
      filterDilation: extents.map(({ stride }) => stride),
      batchGroups: groups,
    });
    return to.reshape(result, shape);
  };
}

export const convolutions: Rules = {
  Conv2D: convolution,
  Conv3D: convolution,
  DepthwiseConv2dNative: depthwise,
  Conv2DBackpropInput: toValues(false),
  Conv3DBackpropInputV2: toValues(false),
  DepthwiseConv2dNativeBackpropInput: toValues(true),
  Conv2DBackpropFilter: toFilter(false),
  Conv3DBackpropFilterV2: toFilter(false),
  DepthwiseConv2dNativeBackpropFilter: toFilter(true),
};
