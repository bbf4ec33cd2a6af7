import { ATTENTION, attributesOfRule, KEY_GRADIENT, QUERY_GRADIENT, type AttentionRule } from '../../program/attention';
import type { DType } from '../../program/dtypes';
import { ShapeError } from '../../program/operations';
import { findOperation } from '../../program/operations';
import { withOutputs, type ArgumentNode, type OperationNode, type Program } from '../../program/program';
import { lowerToStableHlo } from './lower';
import { hasKernels } from './triton/tilings';

const [BATCH, QUERIES, KEYS, HEADS, KEY_HEADS, WIDTH] = [2, 128, 192, 4, 2, 64];
const Q = [BATCH, QUERIES, HEADS, WIDTH];
const K = [BATCH, KEYS, KEY_HEADS, WIDTH];
const SUMS = [BATCH, HEADS, QUERIES];

/** A program of one operation on arguments of these shapes. */
function programOf(
  op: string,
  rule: AttentionRule,
  shapes: readonly (readonly number[])[],
  outputCount: number,
  numbers: readonly (readonly number[])[] = [],
): Program {
  const types = [
    ...shapes.map((shape) => ({ dtype: 'float32' as DType, shape })),
    ...numbers.map((shape) => ({ dtype: 'int32' as DType, shape })),
  ];
  const nodes = types.map((type, position) =>
    withOutputs<ArgumentNode>({ kind: 'argument', position, outputs: [] }, [type]),
  );
  const inputs = nodes.map(({ outputs: [value] }) => value);
  const attributes = attributesOfRule(rule);
  const outputs = findOperation(op)!.infer({ op, attributes, inputs, outputCount });
  const node = withOutputs<OperationNode>({ kind: 'operation', op, attributes, inputs, outputs: [] }, outputs);
  return { name: 'attention', arguments: nodes, captures: [], nodes: [node], results: node.outputs };
}

const forward = (rule: AttentionRule, numbers: readonly (readonly number[])[] = []): Program =>
  programOf(ATTENTION, rule, [Q, K, K], 2, numbers);

describe('attention as one operation', () => {
  test('its results have the shapes of the queries, and of a number for each query and head', () => {
    const { results } = forward({ sees: 'all' });
    expect(results.map(({ dtype, shape }) => [dtype, shape])).toEqual([
      ['float32', Q],
      ['float32', SUMS],
    ]);
    const gradients = [Q, K, K, Q, SUMS, SUMS];
    expect(programOf(QUERY_GRADIENT, { sees: 'all' }, gradients, 1).results.map(({ shape }) => shape)).toEqual([Q]);
    expect(programOf(KEY_GRADIENT, { sees: 'all' }, gradients, 2).results.map(({ shape }) => shape)).toEqual([K, K]);
  });

  test.each<[string, () => Program]>([
    [
      'its keys and values must be [2, 192, 2, 64], not [2, 192, 2, 32].',
      () => programOf(ATTENTION, { sees: 'all' }, [Q, K, [BATCH, KEYS, KEY_HEADS, 32]], 2),
    ],
    [
      'its 4 query heads cannot share 3 key/value heads evenly.',
      () => programOf(ATTENTION, { sees: 'all' }, [Q, [2, 9, 3, WIDTH], [2, 9, 3, WIDTH]], 2),
    ],
    ['its numbers must be int32 [2, 192], not int32 [2, 128].', () => forward({ sees: 'nonzero' }, [[BATCH, QUERIES]])],
  ])('shapes that do not fit are refused: %s', (message, make) => {
    expect(make).toThrow(ShapeError);
    expect(make).toThrow(message);
  });

  test('for CUDA it is a kernel of its own, which has the soft cap, the span and the numbers', () => {
    const text = lowerToStableHlo(
      forward({ cap: 50, ahead: 0, sees: 'equal' }, [
        [BATCH, KEYS],
        [BATCH, QUERIES],
      ]),
      {
        platform: 'cuda',
      },
    );
    expect(text).toContain('call_target_name = "__gpu$xla.gpu.triton"');
    expect(text).toMatch(/grid_x = 1 : i32, grid_y = 8 : i32/);
    expect(text).toContain('tanh.approx.f32');
    expect(text).toContain('arith.cmpi sge');
    expect(text).toContain('arith.cmpi eq');
    // What the kernel reads and writes is bfloat16.
    expect(text).toContain('(tensor<2x128x4x64xbf16>, tensor<2x192x2x64xbf16>, tensor<2x192x2x64xbf16>');
  });

  test('without a cap it looks for the largest score, and without limits it compares nothing', () => {
    const text = lowerToStableHlo(forward({ sees: 'all' }), { platform: 'cuda' });
    expect(text).toContain('arith.maxnumf');
    expect(text).not.toContain('tanh');
    expect(text).not.toContain('arith.cmpi');
  });

  test('other platforms have no kernel, and the error says so', () => {
    expect(() => lowerToStableHlo(forward({ sees: 'all' }), { platform: 'cpu' })).toThrow(
      'GraftAttention cannot be compiled to StableHLO; jit "attention" calls it: there is no kernel of GraftAttention for the platform cpu',
    );
  });

  test('there are kernels for the usual head dimensions, and none for few queries or sizes beyond 32 bits', () => {
    const usual = { batch: 2, queries: 128, keys: 128, heads: 4, keyValueHeads: 4, headDim: 64 };
    expect([16, 64, 128, 256].every((headDim) => hasKernels({ ...usual, headDim }))).toBe(true);
    expect(hasKernels({ ...usual, headDim: 80 })).toBe(false);
    expect(hasKernels({ ...usual, queries: 1 })).toBe(false);
    expect(hasKernels({ ...usual, batch: 2 ** 17 })).toBe(false);
  });
});
