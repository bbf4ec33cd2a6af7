import * as fc from 'fast-check';
import { dtypeOf, flagOf, intOf, type Attributes } from '../../src/program/attributes';
import type { DType } from '../../src/program/dtypes';
import {
  axisIn,
  broadcastable,
  float,
  int,
  ints,
  mostly,
  shape,
  size,
  stringOf,
  type Operand,
  type Sample,
} from './arbitraries';

const unary = (dtype: DType): fc.Arbitrary<Sample> => shape().map((given) => ({ inputs: [{ dtype, shape: given }] }));
const unaryT = (dtype: DType): fc.Arbitrary<Sample> =>
  unary(dtype).map((sample) => ({ ...sample, attributes: { T: dtypeOf(dtype) } }));
const binary = (dtype: DType): fc.Arbitrary<Sample> =>
  shape().chain((whole) =>
    fc
      .tuple(mostly(whole, shape()), fc.oneof(broadcastable(whole), shape()))
      .map(([a, b]) => ({ inputs: [a, b].map((given): Operand => ({ dtype, shape: given })) })),
  );
const reduction = (dtype: DType): fc.Arbitrary<Sample> =>
  shape().chain((given) =>
    fc.tuple(fc.array(axisIn(given.length), { maxLength: given.length }), fc.boolean()).map(([axes, keep]) => ({
      inputs: [{ dtype, shape: given }, ints(...axes)],
      attributes: { keep_dims: flagOf(keep) },
    })),
  );
const alongAxis = (attributes?: Attributes): fc.Arbitrary<Sample> =>
  shape(1).chain((given) => axisIn(given.length).map((axis) => ({ inputs: [float(given), int(axis)], attributes })));

const matrices = (outer: fc.Arbitrary<[number[], number[]]>, names: readonly [string, string]): fc.Arbitrary<Sample> =>
  fc
    .tuple(outer, size, size, size, fc.boolean(), fc.boolean())
    .chain(([[first, second], rows, depth, columns, transposeA, transposeB]) =>
      mostly(depth, size).map((other) => ({
        inputs: [
          float([...first, ...(transposeA ? [depth, rows] : [rows, depth])]),
          float([...second, ...(transposeB ? [columns, other] : [other, columns])]),
        ],
        attributes: { [names[0]]: flagOf(transposeA), [names[1]]: flagOf(transposeB) },
      })),
    );

/** Calls of what computes with numbers: one by one, along dimensions, as products. */
export const NUMBERS: Readonly<Record<string, fc.Arbitrary<Sample>>> = {
  ...Object.fromEntries(
    'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor LeakyRelu Log Log1p Neg Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Tan Tanh OnesLike ZerosLike Identity StopGradient IsFinite IsInf IsNan Softmax'
      .split(' ')
      .map((op) => [op, unaryT('float32')]),
  ),
  LogicalNot: unary('bool'),
  StaticRegexReplace: unary('string').map((sample) => ({
    ...sample,
    attributes: { pattern: stringOf('a'), rewrite: stringOf('b') },
  })),
  IdentityN: fc.array(shape(), { minLength: 1, maxLength: 3 }).map((shapes) => ({
    inputs: shapes.map(float),
    attributes: { T: { kind: 'dtypes', value: shapes.map(() => 'float32' as const) } },
    outputs: shapes.length,
  })),
  ...Object.fromEntries(
    'Add AddV2 Atan2 Div DivNoNan FloorDiv FloorMod Maximum Minimum Mul Pow RealDiv SquaredDifference Sub Equal Greater GreaterEqual Less LessEqual NotEqual'
      .split(' ')
      .map((op) => [op, binary('float32')]),
  ),
  ...Object.fromEntries(
    'BitwiseAnd BitwiseOr BitwiseXor LeftShift RightShift'.split(' ').map((op) => [op, binary('int32')]),
  ),
  LogicalAnd: binary('bool'),
  LogicalOr: binary('bool'),
  AddN: shape().chain((given) =>
    fc.array(mostly(given, shape()), { minLength: 1, maxLength: 4 }).map((shapes) => ({
      inputs: shapes.map(float),
      attributes: { T: dtypeOf('float32'), N: intOf(shapes.length) },
    })),
  ),
  EluGrad: shape().chain((given) => mostly(given, shape()).map((other) => ({ inputs: [float(given), float(other)] }))),
  Select: shape().chain((given) =>
    fc
      .tuple(fc.oneof(fc.constantFrom(given, given.slice(0, 1), []), shape()), mostly(given, shape()))
      .map(([condition, other]) => ({ inputs: [{ dtype: 'bool', shape: condition }, float(given), float(other)] })),
  ),
  SelectV2: shape().chain((given) =>
    fc
      .tuple(broadcastable(given), fc.oneof(broadcastable(given), shape()))
      .map(([condition, other]) => ({ inputs: [{ dtype: 'bool', shape: condition }, float(given), float(other)] })),
  ),
  Cast: shape().map((given) => ({
    inputs: [float(given)],
    attributes: { SrcT: dtypeOf('float32'), DstT: dtypeOf('bfloat16') },
  })),
  Bitcast: fc
    .tuple(shape(), fc.constantFrom<DType>('bfloat16', 'int32', 'uint32', 'int64'), fc.boolean())
    .map(([given, dtype, ends]) => ({
      inputs: [float(ends ? [...given, 2] : given)],
      attributes: { T: dtypeOf('float32'), type: dtypeOf(dtype) },
    })),
  Complex: binary('float32'),
  ...Object.fromEntries('ComplexAbs Imag Real FFT IFFT'.split(' ').map((op) => [op, unary('complex64')])),
  LRN: shape(3, 5).map((given) => ({ inputs: [float(given)] })),
  LRNGrad: shape(4, 4).chain((given) =>
    mostly(given, shape(4, 4)).map((other) => ({ inputs: [float(given), float(given), float(other)] })),
  ),
  FusedBatchNorm: fc.tuple(shape(4, 4), fc.boolean()).map(([given, first]) => {
    const channels = float([first ? given[1] : given[3]]);
    return {
      inputs: [float(given), channels, channels, channels, channels],
      attributes: { data_format: stringOf(first ? 'NCHW' : 'NHWC'), is_training: flagOf(false) },
      outputs: 5,
    };
  }),
  ...Object.fromEntries('Max Mean Min Prod Sum'.split(' ').map((op) => [op, reduction('float32')])),
  All: reduction('bool'),
  Any: reduction('bool'),
  ArgMax: fc.oneof(alongAxis(), alongAxis({ output_type: dtypeOf('int32') })),
  ArgMin: fc.oneof(alongAxis(), alongAxis({ output_type: dtypeOf('int32') })),
  Cumprod: alongAxis({ exclusive: flagOf(true), reverse: flagOf(false) }),
  Cumsum: alongAxis({ exclusive: flagOf(false), reverse: flagOf(true) }),
  TopKV2: shape(1).chain((given) =>
    fc.integer({ min: 0, max: 5 }).map((k) => ({ inputs: [float(given), int(k)], outputs: 2 })),
  ),
  MatMul: matrices(fc.constant([[], []]), ['transpose_a', 'transpose_b']),
  BatchMatMulV2: matrices(
    shape(0, 2).chain((outer) => fc.tuple(fc.constant(outer), fc.oneof(broadcastable(outer), shape(0, 2)))),
    ['adj_x', 'adj_y'],
  ),
  Einsum: fc
    .tuple(size, size, size, size, shape(0, 2))
    .chain(([i, j, k, other, outer]) =>
      fc.constantFrom<readonly [string, number[], number[]]>(
        ['ij,jk->ik', [i, j], [j, k]],
        ['ij,jk->ik', [i, j], [other, k]],
        ['ij,jk->', [i, j], [j, k]],
        ['ij,ij->ji', [i, j], [i, j]],
        ['...ij,...jk->...ik', [...outer, i, j], [...outer, j, k]],
        ['...ij,jk->...ki', [...outer, i, j], [j, k]],
        ['ij,j->i', [i, j], [j]],
      ),
    )
    .map(([equation, a, b]) => ({
      inputs: [float(a), float(b)],
      attributes: { equation: stringOf(equation), T: dtypeOf('float32'), N: intOf(2) },
    })),
};
