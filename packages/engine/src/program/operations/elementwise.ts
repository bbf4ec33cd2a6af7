import { attribute } from '../attributes';
import { bytesOfDType } from '../dtypes';
import {
  broadcastShape,
  each,
  expectRank,
  input,
  required,
  sameDType,
  sameShape,
  ShapeError,
  shapeText,
  type Call,
  type Operations,
} from './operation';

const broadcast = ({ inputs }: Call): number[] =>
  inputs.map(({ shape }) => [...shape]).reduce((a, b) => broadcastShape(a, b));

/** One result per number, from one input or from several that are broadcast. */
export const elementwise: Operations = {
  ...each(
    'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor LeakyRelu Log Log1p LogicalNot Neg Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Tan Tanh StaticRegexReplace',
    { infer: (call) => [{ dtype: input(call, 0).dtype, shape: input(call, 0).shape }] },
  ),
  ...each('OnesLike ZerosLike', {
    fused: true,
    infer: (call) => [{ dtype: input(call, 0).dtype, shape: input(call, 0).shape }],
  }),
  ...each('Identity StopGradient', {
    view: true,
    infer: (call) => [{ dtype: input(call, 0).dtype, shape: input(call, 0).shape }],
  }),
  // A barrier: no result before all inputs are computed.
  IdentityN: { infer: ({ inputs }) => inputs.map(({ dtype, shape }) => ({ dtype, shape })) },
  ...each('IsFinite IsInf IsNan', { infer: (call) => [{ dtype: 'bool', shape: input(call, 0).shape }] }),
  ...each(
    'Add AddV2 Atan2 BitwiseAnd BitwiseOr BitwiseXor Div DivNoNan FloorDiv FloorMod LeftShift Maximum Minimum Mul Pow RealDiv RightShift SquaredDifference Sub',
    { infer: (call) => [{ dtype: sameDType(call.inputs), shape: broadcast(call) }] },
  ),
  ...each('Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr NotEqual', {
    infer: (call) => {
      sameDType(call.inputs);
      return [{ dtype: 'bool', shape: broadcast(call) }];
    },
  }),
  ...each('AddN EluGrad', { infer: ({ inputs }) => [{ dtype: sameDType(inputs), shape: sameShape(inputs) }] }),
  Select: { infer: (call) => [{ dtype: sameDType(call.inputs.slice(1)), shape: selected(call) }] },
  SelectV2: { infer: (call) => [{ dtype: sameDType(call.inputs.slice(1)), shape: broadcast(call) }] },
  Cast: { infer: (call) => [{ dtype: required(call, 'DstT', 'dtype'), shape: input(call, 0).shape }] },
  Bitcast: { infer: bitcast },
  Complex: { infer: (call) => [{ dtype: 'complex64', shape: broadcast(call) }] },
  ...each('ComplexAbs Imag Real', { infer: (call) => [{ dtype: 'float32', shape: input(call, 0).shape }] }),
  ...each('FFT IFFT', {
    infer: (call) => {
      if (input(call, 0).shape.length === 0) throw new ShapeError('its input must have at least one dimension.');
      return [{ dtype: 'complex64', shape: input(call, 0).shape }];
    },
  }),
};

/** The condition is of the same shape, one for each row, or one for all. */
function selected(call: Call): readonly number[] {
  const shape = sameShape(call.inputs.slice(1));
  const condition = input(call, 0).shape;
  const fits =
    condition.length === 0 ||
    condition.join() === shape.join() ||
    (condition.length === 1 && shape.length > 0 && condition[0] === shape[0]);
  if (!fits)
    throw new ShapeError(`a condition ${shapeText(condition)} does not fit values of the shape ${shapeText(shape)}.`);
  return shape;
}

function bitcast(call: Call): { dtype: ReturnType<typeof required<'dtype'>>; shape: readonly number[] }[] {
  const { dtype: from, shape } = input(call, 0);
  const dtype = required(call, 'type', 'dtype');
  const [before, after] = [bytesOfDType(from), bytesOfDType(dtype)];
  if (before === after) return [{ dtype, shape }];
  if (before > after) return [{ dtype, shape: [...shape, before / after] }];
  if (shape.at(-1) !== after / before)
    throw new ShapeError(
      `${from} ${shapeText(shape)} cannot be read as ${dtype}: it takes ${after / before} in a row.`,
    );
  return [{ dtype, shape: shape.slice(0, -1) }];
}

/** Along a dimension, without changing it. */
export const rowwise: Operations = {
  Softmax: {
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      if (shape.length === 0) throw new ShapeError('its input must have at least one dimension.');
      return [{ dtype, shape }];
    },
  },
  ...each('LRN', {
    infer: (call) => {
      expectRank(input(call, 0), 4, 'its input');
      return [{ dtype: input(call, 0).dtype, shape: input(call, 0).shape }];
    },
  }),
  LRNGrad: {
    infer: ({ inputs }) => {
      expectRank(inputs[0], 4, 'its input');
      return [{ dtype: sameDType(inputs), shape: sameShape(inputs) }];
    },
  },
  FusedBatchNorm: {
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      expectRank(input(call, 0), 4, 'its input');
      const channels = attribute(call.attributes, 'data_format', 'string') === 'NCHW' ? shape[1] : shape[3];
      const one = { dtype, shape: [channels] };
      return [{ dtype, shape }, one, one, one, one];
    },
  },
};
