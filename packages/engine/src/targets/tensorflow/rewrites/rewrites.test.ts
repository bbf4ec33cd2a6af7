/** The rewritings as graphs: which operations a program has before and after, without a native library. */
import { dtypeOf, flagOf } from '../../../program/attributes';
import { countOperations, simplified } from '../../../program/passes';
import type { Program, Value } from '../../../program/program';
import { Tracer } from '../../../trace/tracer';
import type { CompilingExecutor } from '../../../types';
import { layoutHints, rewriteForTensorFlow, rewriteWidened } from './index';

const float = { T: dtypeOf('float32') };

class Recorder {
  readonly tracer = new Tracer('recorded');

  argument(...shape: number[]): Value {
    return this.tracer.argument({ dtype: 'float32', shape });
  }

  ints(...values: number[]): Value {
    return this.tracer.constant(
      { dtype: 'int32', shape: [values.length] },
      new Uint8Array(Int32Array.from(values).buffer),
    );
  }

  run(op: string, inputs: readonly Value[], attributes = {}): Value {
    return this.tracer.operation(op, { ...float, ...attributes }, inputs, 1)[0];
  }

  matMul(a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
    return this.run('MatMul', [a, b], { transpose_a: flagOf(transposeA), transpose_b: flagOf(transposeB) });
  }
}

function program(record: (recorder: Recorder) => readonly Value[]): Program {
  const recorder = new Recorder();
  return simplified(recorder.tracer.finish(record(recorder)));
}

const counts = (given: Program, executor: CompilingExecutor, threads = 2): Record<string, number> =>
  Object.fromEntries(countOperations(rewriteForTensorFlow(given, executor, threads)));

describe('a few rows times a large matrix', () => {
  const product = (rows: number, out = 512): Program =>
    program((r) => [r.matMul(r.argument(rows, 256), r.argument(out, 256), false, true)]);

  test('XLA gets a batch of transposed products, one for each thread if there is one row', () => {
    expect(counts(product(1), 'xla', 4)).toMatchObject({ BatchMatMulV2: 1, Tile: 1, Transpose: 1 });
    const rewritten = rewriteForTensorFlow(product(1), 'xla', 4);
    const batch = rewritten.nodes.find((node) => node.kind === 'operation' && node.op === 'BatchMatMulV2');
    expect(batch?.outputs[0].shape).toEqual([4, 128, 1]);
    expect(rewritten.results[0].shape).toEqual([1, 512]);
  });

  test.each([
    ['many rows', product(33), 'xla', 2],
    ['a small matrix', product(1, 64), 'xla', 2],
    ['one row on one thread', product(1), 'xla', 1],
    ['the graph executor', product(1), 'graph', 2],
    ['products of the library', product(1), 'mixed', 2],
  ] as const)('%s keeps its product', (_, given, executor, threads) => {
    expect(counts(given, executor, threads)).toEqual({ MatMul: 1 });
  });
});

describe('a few rows times a packed matrix', () => {
  const product = (rows: number, dtype: 'float32' | 'bfloat16'): Program =>
    program((r) => {
      const words = r.tracer.argument({ dtype: 'int32', shape: [512, 128] });
      const pairs = r.run('Bitcast', [words], { T: dtypeOf('int32'), type: dtypeOf('bfloat16') });
      const narrow = r.run('Reshape', [pairs, r.ints(512, 256)], { T: dtypeOf('bfloat16'), Tshape: dtypeOf('int32') });
      const cast = (value: Value): Value =>
        r.run('Cast', [value], { SrcT: dtypeOf(value.dtype), DstT: dtypeOf(dtype), Truncate: flagOf(false) });
      const attributes = { T: dtypeOf(dtype), transpose_a: flagOf(false), transpose_b: flagOf(true) };
      return [r.run('MatMul', [cast(r.argument(rows, 256)), cast(narrow)], attributes)];
    });

  test.each(['float32', 'bfloat16'] as const)('XLA gets 16 sums along each row of the matrix, in %s', (dtype) => {
    // 8 blocks of words, two numbers a word, and the even and the odd numbers of the rows.
    expect(counts(product(2, dtype), 'xla')).toMatchObject({ LeftShift: 8, BitwiseAnd: 8, Mul: 16, AddV2: 15, Sum: 1 });
    expect(counts(product(2, dtype), 'xla')).not.toHaveProperty('MatMul');
    expect(rewriteForTensorFlow(product(2, dtype), 'xla', 2).results[0]).toMatchObject({ dtype, shape: [2, 512] });
  });

  test('more rows and other executors keep the product', () => {
    expect(counts(product(5, 'bfloat16'), 'xla')).toHaveProperty('MatMul');
    for (const executor of ['graph', 'mixed'] as const)
      expect(counts(product(1, 'bfloat16'), executor)).toMatchObject({ MatMul: 1, Bitcast: 1 });
  });

  test('widened, other products are float32 as well, of operands that are not rounded', () => {
    const given = program((r) => {
      const cast = (value: Value): Value =>
        r.run('Cast', [value], { SrcT: dtypeOf('float32'), DstT: dtypeOf('bfloat16'), Truncate: flagOf(false) });
      const attributes = { T: dtypeOf('bfloat16'), adj_x: flagOf(false), adj_y: flagOf(true) };
      return [r.run('BatchMatMulV2', [cast(r.argument(2, 3, 4)), cast(r.argument(2, 5, 4))], attributes)];
    });
    const { nodes } = rewriteWidened(given, 2);
    const product = nodes.find((node) => node.kind === 'operation' && node.op === 'BatchMatMulV2');
    expect(product).toMatchObject({ inputs: given.arguments.map(({ outputs }) => outputs[0]) });
    expect(product?.outputs[0].dtype).toBe('float32');
  });
});

test('a few queries of stored keys become sums of slices under XLA alone, and keep their shape', () => {
  const given = program((r) => [
    r.run('BatchMatMulV2', [r.argument(8, 8, 1, 64), r.argument(8, 8, 64, 256)], {
      adj_x: flagOf(false),
      adj_y: flagOf(false),
    }),
  ]);
  const rewritten = rewriteForTensorFlow(given, 'xla', 2);
  expect(rewritten.results[0].shape).toEqual([8, 8, 1, 256]);
  expect(counts(given, 'xla')).not.toHaveProperty('BatchMatMulV2');
  expect(counts(given, 'mixed')).toEqual({ BatchMatMulV2: 1 });
});

test('a large product is added to a sum in parts that overwrite those of the sum', () => {
  const given = program((r) => {
    const products = [1, 2].map(() => r.matMul(r.argument(3, 8200), r.argument(3, 4096), true, false));
    return [r.run('AddV2', products)];
  });
  expect(counts(given, 'xla')).toEqual({ MatMul: 4, Slice: 6, AddV2: 3, TensorStridedSliceUpdate: 3 });
  expect(counts(given, 'graph')).toEqual({ MatMul: 2, AddV2: 1 });
});

test('a reduction of products is one of four parts joined before, wherever XLA compiles it', () => {
  const given = program((r) => {
    const product = r.run('Mul', [r.argument(128, 256), r.argument(128, 256)]);
    return [r.run('Mean', [product, r.ints(1)], { keep_dims: flagOf(true), Tidx: dtypeOf('int32') })];
  });
  for (const executor of ['xla', 'mixed'] as const)
    expect(counts(given, executor)).toEqual({ Slice: 8, Mul: 5, AddV2: 3, Mean: 1 });
  expect(rewriteForTensorFlow(given, 'xla', 2).results[0].shape).toEqual([128, 1]);
  expect(counts(given, 'graph')).toEqual({ Mul: 1, Mean: 1 });
});

describe('a barrier', () => {
  const barrier = (others: (r: Recorder) => Value[]): Program =>
    program((r) => {
      const inputs = [r.argument(2, 3), ...others(r)];
      const T = { kind: 'dtypes', value: inputs.map(({ dtype }) => dtype) } as const;
      return [r.tracer.operation('IdentityN', { T }, inputs, inputs.length)[0]];
    });

  test('XLA gets a sum with nothing of the other inputs, other executors the barrier', () => {
    const given = barrier((r) => [r.argument(4), r.argument()]);
    expect(counts(given, 'xla')).toMatchObject({ AddN: 1, Mul: 1, AddV2: 1 });
    expect(counts(given, 'xla')).not.toHaveProperty('IdentityN');
    expect(counts(given, 'mixed')).toEqual({ IdentityN: 1 });
  });

  test('without other values it is nothing', () => {
    const rewritten = rewriteForTensorFlow(
      barrier((r) => [r.argument(0)]),
      'xla',
      2,
    );
    expect(rewritten.nodes).toEqual([]);
    expect(rewritten.results[0]).toBe(rewritten.arguments[0].outputs[0]);
  });
});

test('only XLA, which compiles them as sums, prefers transposed keys', () => {
  expect(layoutHints('xla')?.prefersTransposedKeys(64, 1, 256, 64)).toBe(true);
  expect(layoutHints('xla')?.prefersTransposedKeys(64, 3, 256, 64)).toBe(false);
  for (const executor of ['graph', 'mixed', 'eager', 'portable'] as const)
    expect(layoutHints(executor)).toBeUndefined();
});
