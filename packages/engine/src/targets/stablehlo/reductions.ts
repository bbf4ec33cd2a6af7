import { isSet } from '../../program/attributes';
import { elementCount } from '../../shape';
import { comparison, type Combiner, type Direction, type Emitter, type Hlo } from './emitter';
import { host, hostAxes, hostAxis, type Lowering, type Rule, type Rules } from './rule';
import { extreme, integers, typeText } from './types';

const reduced =
  (combiner: Combiner): Rule =>
  (call) => {
    const [x] = call.inputs;
    const axes = hostAxes(call, 1, x.shape.length);
    return call.to.reshape(axes.length > 0 ? call.to.reduce(x, axes, combiner) : x, call.types[0].shape);
  };

const mean: Rule = (call) => {
  const { to, types, inputs } = call;
  const [x] = inputs;
  const axes = hostAxes(call, 1, x.shape.length);
  const count = elementCount(axes.map((axis) => x.shape[axis]));
  const isNarrow = x.dtype === 'bfloat16' || x.dtype === 'float16';
  const wide = isNarrow ? to.convert(x, 'float32') : x;
  const sum = axes.length > 0 ? to.reduce(wide, axes, 'add') : wide;
  return to.reshape(to.convert(to.same('divide', sum, to.fill(sum, count)), x.dtype), types[0].shape);
};

/** The place of the largest or smallest number along a dimension; of equal ones the first. */
function placeOf(direction: Direction, worst: 'lowest' | 'highest'): Rule {
  return (call) => {
    const { to, types } = call;
    const x = call.inputs[0].dtype === 'bool' ? to.convert(call.inputs[0], 'int32') : call.inputs[0];
    const axis = hostAxis(call, 1, x.shape.length);
    const [{ dtype: placeType, shape }] = types;
    const [v, p, b] = [x.dtype, placeType, 'bool' as const].map((dtype) => typeText({ dtype, shape: [] }));
    const places = to.iota({ dtype: placeType, shape: x.shape }, axis);
    const [, place] = to.many(
      'reduce',
      [x, places, to.scalar(x.dtype, extreme(x.dtype, worst)), to.scalar(placeType, 0)],
      [{ dtype: x.dtype, shape }, types[0]],
      [`dimensions = ${integers([axis])}`],
      [
        `^bb0(%x: ${v}, %i: ${p}, %y: ${v}, %j: ${p}):`,
        `%better = "stablehlo.compare"(%x, %y) {${comparison(direction, x.dtype)}} : (${v}, ${v}) -> ${b}`,
        `%equal = "stablehlo.compare"(%x, %y) {${comparison('EQ', x.dtype)}} : (${v}, ${v}) -> ${b}`,
        `%lower = "stablehlo.minimum"(%i, %j) : (${p}, ${p}) -> ${p}`,
        `%value = "stablehlo.select"(%better, %x, %y) : (${b}, ${v}, ${v}) -> ${v}`,
        `%other = "stablehlo.select"(%better, %i, %j) : (${b}, ${p}, ${p}) -> ${p}`,
        `%place = "stablehlo.select"(%equal, %lower, %other) : (${b}, ${p}, ${p}) -> ${p}`,
        `"stablehlo.return"(%value, %place) : (${v}, ${p}) -> ()`,
      ].join(' '),
    );
    return place;
  };
}

/** Moved by `by` places along a dimension, towards the end; `fill` comes in. */
function moved(to: Emitter, x: Hlo, fill: Hlo, axis: number, by: number): Hlo {
  const low = x.shape.map((_, at) => (at === axis ? by : 0));
  return to.pad(
    x,
    fill,
    low,
    low.map((size) => -size),
  );
}

/** Sums or products of all numbers up to each one, in a logarithm of the length many steps. */
function cumulative(combiner: 'add' | 'multiply'): Rule {
  return (call: Lowering) => {
    const { to, attributes } = call;
    const [x] = call.inputs;
    const axis = hostAxis(call, 1, x.shape.length);
    const isReverse = isSet(attributes, 'reverse');
    const neutral = to.scalar(x.dtype, combiner === 'add' ? 0 : 1);
    let total = isReverse ? to.reverse(x, [axis]) : x;
    if (isSet(attributes, 'exclusive') && x.shape[axis] > 0) total = moved(to, total, neutral, axis, 1);
    for (let by = 1; by < x.shape[axis]; by *= 2) total = to.same(combiner, total, moved(to, total, neutral, axis, by));
    return isReverse ? to.reverse(total, [axis]) : total;
  };
}

/** A stable sort: of equal numbers the one with the lower place comes first. */
const largest: Rule = (call) => {
  const { to, types } = call;
  const [x] = call.inputs;
  const last = x.shape.length - 1;
  const [k] = host(call, 1);
  const places = to.iota({ dtype: types[1].dtype, shape: x.shape }, last);
  const [v, p, b] = [x.dtype, types[1].dtype, 'bool' as const].map((dtype) => typeText({ dtype, shape: [] }));
  const sorted = to.many(
    'sort',
    [x, places],
    [x, places],
    [`dimension = ${last} : i64`, 'is_stable = true'],
    [
      `^bb0(%x: ${v}, %y: ${v}, %i: ${p}, %j: ${p}):`,
      `%first = "stablehlo.compare"(%x, %y) {${comparison('GT', x.dtype)}} : (${v}, ${v}) -> ${b}`,
      `"stablehlo.return"(%first) : (${b}) -> ()`,
    ].join(' '),
  );
  return sorted.map((value) => to.part(value, last, 0, k));
};

/** Along dimensions. */
export const reductions: Rules = {
  All: reduced('and'),
  Any: reduced('or'),
  Max: reduced('maximum'),
  Mean: mean,
  Min: reduced('minimum'),
  Prod: reduced('multiply'),
  Sum: reduced('add'),
  ArgMax: placeOf('GT', 'lowest'),
  ArgMin: placeOf('LT', 'highest'),
  Cumprod: cumulative('multiply'),
  Cumsum: cumulative('add'),
  TopKV2: largest,
};
