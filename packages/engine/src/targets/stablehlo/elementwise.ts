import { each } from '../../program/operations';
import { attribute } from '../../program/attributes';
import type { DType } from '../../program/dtypes';
import type { Emitter, Hlo } from './emitter';
import type { Lowering, Rule, Rules } from './rule';
import { constrained, constraintOf } from './shardy';
import { bitsOf, isFloat, isUnsigned } from './types';

/** TensorFlow's operation is one of StableHLO's (or of CHLO's, which belongs to it) on one number. */
const unary = (op: string): Rule => {
  return ({ to, inputs: [x] }) => to.same(op, x);
};

/** Rounding leaves integers alone. */
const rounding = (op: string): Rule => {
  return ({ to, inputs: [x] }) => (isFloat(x.dtype) ? to.same(op, x) : x);
};

/** On two numbers, broadcast. */
export const binary = (op: string): Rule => {
  return ({ to, inputs: [a, b] }) => to.same(op, ...to.together(a, b));
};

const composed =
  (compute: (to: Emitter, x: Hlo, call: Lowering) => Hlo): Rule =>
  (call) =>
    compute(call.to, call.inputs[0], call);

const composedOfTwo =
  (compute: (to: Emitter, x: Hlo, y: Hlo) => Hlo): Rule =>
  ({ to, inputs: [a, b] }) => {
    const [x, y] = to.together(a, b);
    return compute(to, x, y);
  };

const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;

/** x above 0, else `alpha` (exp(x) - 1). */
function elu(to: Emitter, x: Hlo, alpha: number): Hlo {
  const below = to.same('exponential_minus_one', x);
  const scaled = alpha === 1 ? below : to.same('multiply', to.fill(x, alpha), below);
  return to.select(to.compareTo('GT', x, 0), x, scaled);
}

/** Towards minus infinity; integers are divided towards 0 by StableHLO. */
function floorDivision(to: Emitter, x: Hlo, y: Hlo): Hlo {
  const quotient = to.same('divide', x, y);
  if (isFloat(x.dtype)) return to.same('floor', quotient);
  if (isUnsigned(x.dtype)) return quotient;
  const isInexact = to.compare('NE', to.same('multiply', quotient, y), x);
  const differ = to.compare('NE', to.compareTo('LT', x, 0), to.compareTo('LT', y, 0));
  const lower = to.same('subtract', quotient, to.fill(x, 1));
  return to.select(to.same('and', isInexact, differ), lower, quotient);
}

/** A remainder with the divisor's sign. */
function floorModulo(to: Emitter, x: Hlo, y: Hlo): Hlo {
  const rest = to.same('remainder', x, y);
  if (isUnsigned(x.dtype)) return rest;
  const isInexact = to.compareTo('NE', rest, 0);
  const differ = to.compare('NE', to.compareTo('LT', rest, 0), to.compareTo('LT', y, 0));
  return to.select(to.same('and', isInexact, differ), to.same('add', rest, y), rest);
}

/** TensorFlow limits shifts to the bits that there are. */
function shift(op: (dtype: DType) => string): Rule {
  return composedOfTwo((to, x, y) => {
    const limited = to.same('clamp', to.fill(y, 0), y, to.fill(y, bitsOf(y.dtype) - 1));
    return to.same(op(x.dtype), x, to.op('convert', [limited], x));
  });
}

/** NaN stays NaN, unlike in a clamp, which some devices do with fused minima. */
const cast: Rule = ({ to, inputs: [x], types: [{ dtype, shape }] }) => {
  if (x.dtype === 'complex64' && dtype !== 'complex64')
    return to.convert(to.op('real', [x], { dtype: 'float32', shape }), dtype);
  return to.convert(x, dtype);
};

/** One result per number. */
export const elementwise: Rules = {
  Abs: unary('abs'),
  Acos: unary('chlo.acos'),
  Acosh: unary('chlo.acosh'),
  Asin: unary('chlo.asin'),
  Asinh: unary('chlo.asinh'),
  Atan: unary('chlo.atan'),
  Atanh: unary('chlo.atanh'),
  Ceil: rounding('ceil'),
  Cos: unary('cosine'),
  Cosh: unary('chlo.cosh'),
  Erf: unary('chlo.erf'),
  Exp: unary('exponential'),
  Expm1: unary('exponential_minus_one'),
  Floor: rounding('floor'),
  Log: unary('log'),
  Log1p: unary('log_plus_one'),
  LogicalNot: unary('not'),
  Neg: unary('negate'),
  Round: rounding('round_nearest_even'),
  Rsqrt: unary('rsqrt'),
  Sigmoid: unary('logistic'),
  Sign: unary('sign'),
  Sin: unary('sine'),
  Sinh: unary('chlo.sinh'),
  Sqrt: unary('sqrt'),
  Tan: unary('stablehlo.tan'),
  Tanh: unary('tanh'),
  Elu: composed((to, x) => elu(to, x, 1)),
  Selu: composed((to, x) => to.same('multiply', to.fill(x, SELU_SCALE), elu(to, x, SELU_ALPHA))),
  LeakyRelu: composed((to, x, { attributes }) => {
    const slope = to.fill(x, attribute(attributes, 'alpha', 'float') ?? 0.2);
    return to.select(to.compareTo('GT', x, 0), x, to.same('multiply', x, slope));
  }),
  Reciprocal: composed((to, x) => to.same('divide', to.fill(x, 1), x)),
  Relu: composed((to, x) => to.same('maximum', x, to.fill(x, 0))),
  Relu6: composed((to, x) => to.same('minimum', to.same('maximum', x, to.fill(x, 0)), to.fill(x, 6))),
  // log(1 + exp(x)), which does not overflow.
  Softplus: composed((to, x) => {
    const rest = to.same('log_plus_one', to.same('exponential', to.same('negate', to.same('abs', x))));
    return to.same('add', to.same('maximum', x, to.fill(x, 0)), rest);
  }),
  Square: composed((to, x) => to.same('multiply', x, x)),
  OnesLike: composed((to, x) => to.fill(x, 1)),
  ZerosLike: composed((to, x) => to.fill(x, 0)),
  StopGradient: ({ inputs: [x] }) => x,
  Identity: ({ to, inputs: [x], attributes }) => constrained(to, x, constraintOf(attributes)),
  // A barrier: no result before all inputs are computed.
  IdentityN: ({ to, inputs, types }) => to.many('optimization_barrier', inputs, types),
  IsFinite: composed((to, x) => to.op('is_finite', [x], { dtype: 'bool', shape: x.shape })),
  IsInf: composed((to, x) => to.compareTo('EQ', to.same('abs', x), Infinity)),
  IsNan: composed((to, x) => to.compare('NE', x, x)),
  ...each('Add AddV2', binary('add')),
  Atan2: binary('atan2'),
  ...each('BitwiseAnd LogicalAnd', binary('and')),
  ...each('BitwiseOr LogicalOr', binary('or')),
  BitwiseXor: binary('xor'),
  ...each('Div RealDiv', binary('divide')),
  DivNoNan: composedOfTwo((to, x, y) => to.select(to.compareTo('EQ', y, 0), to.fill(x, 0), to.same('divide', x, y))),
  FloorDiv: composedOfTwo(floorDivision),
  FloorMod: composedOfTwo(floorModulo),
  LeftShift: shift(() => 'shift_left'),
  RightShift: shift((dtype) => (isUnsigned(dtype) ? 'shift_right_logical' : 'shift_right_arithmetic')),
  Maximum: binary('maximum'),
  Minimum: binary('minimum'),
  Mul: binary('multiply'),
  Pow: binary('power'),
  SquaredDifference: composedOfTwo((to, x, y) => {
    const difference = to.same('subtract', x, y);
    return to.same('multiply', difference, difference);
  }),
  Sub: binary('subtract'),
  AddN: ({ to, inputs }) => inputs.reduce((sum, value) => to.same('add', sum, value)),
  // Of the results, not of the inputs.
  EluGrad: ({ to, inputs: [gradient, result] }) => {
    const below = to.same('multiply', gradient, to.same('add', result, to.fill(result, 1)));
    return to.select(to.compareTo('LT', result, 0), below, gradient);
  },
  Cast: cast,
  Bitcast: ({ to, inputs, types }) => to.op('bitcast_convert', inputs, types[0]),
  Complex: ({ to, inputs: [real, imaginary], types }) => to.op('complex', to.together(real, imaginary), types[0]),
  ComplexAbs: ({ to, inputs, types }) => to.op('abs', inputs, types[0]),
  Imag: ({ to, inputs, types }) => to.op('imag', inputs, types[0]),
  Real: ({ to, inputs, types }) => to.op('real', inputs, types[0]),
  FFT: fourier('FFT'),
  IFFT: fourier('IFFT'),
};

/** Along the last dimension. */
function fourier(kind: string): Rule {
  return ({ to, inputs: [x], types }) =>
    to.op('fft', [x], types[0], [
      `fft_type = #stablehlo<fft_type ${kind}>`,
      `fft_length = array<i64: ${x.shape.at(-1) ?? 1}>`,
    ]);
}
