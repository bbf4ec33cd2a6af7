/** Values that leave one cluster for another, before and after: as graphs, without a native library. */
import { dtypeOf, flagOf } from '../../../program/attributes';
import type { DType } from '../../../program/dtypes';
import type { Program, Value } from '../../../program/program';
import { Tracer } from '../../../trace/tracer';
import { clustersOf } from '../lower/clusters';
import { recomputedAtBorders } from './recomputed-borders';

const SIZE = 256;

class Recorder {
  readonly tracer = new Tracer('recorded');

  matrix(dtype: DType): Value {
    return this.tracer.argument({ dtype, shape: [SIZE, SIZE] });
  }

  run(op: string, ...inputs: Value[]): Value {
    return this.tracer.operation(op, { T: dtypeOf(inputs[0].dtype) }, inputs, 1)[0];
  }

  cast(value: Value, to: DType): Value {
    return this.tracer.operation('Cast', { SrcT: dtypeOf(value.dtype), DstT: dtypeOf(to) }, [value], 1)[0];
  }

  product(a: Value, b: Value): Value {
    const attributes = { T: dtypeOf('bfloat16'), transpose_a: flagOf(false), transpose_b: flagOf(false) };
    return this.tracer.operation('MatMul', attributes, [a, b], 1)[0];
  }
}

/** Two products, and the gradient of what `between` computes from the first, which reads it again. */
function forwardAndBack(between: (r: Recorder, wide: Value) => Value): Program {
  const r = new Recorder();
  const [x, w, upper] = [r.matrix('bfloat16'), r.matrix('bfloat16'), r.matrix('bfloat16')];
  const value = between(r, r.cast(r.product(x, w), 'float32'));
  const squared = r.cast(r.run('Mul', value, value), 'bfloat16');
  const gradient = r.cast(r.product(squared, upper), 'float32');
  return r.tracer.finish([r.run('Mul', r.run('Neg', gradient), value)]);
}

const crossing = (program: Program): string[] =>
  clustersOf(program)
    .flatMap(({ inputs }) => inputs)
    .filter(({ producer }) => producer.kind === 'operation')
    .map(({ dtype, producer }) => `${dtype} of ${(producer as { op: string }).op}`)
    .sort();

test('what follows from a product of bfloat16 number by number crosses as that product, not as float32', () => {
  const program = forwardAndBack((r, wide) => r.run('AddV2', wide, wide));
  expect(crossing(program)).toEqual(['bfloat16 of MatMul', 'bfloat16 of MatMul', 'float32 of AddV2']);
  const rewritten = recomputedAtBorders(program);
  expect(crossing(rewritten)).toEqual(['bfloat16 of MatMul', 'bfloat16 of MatMul', 'bfloat16 of MatMul']);
  expect(clustersOf(rewritten)).toHaveLength(clustersOf(program).length);
});

test.each([
  ['a tanh, which XLA would store as well', (r: Recorder, wide: Value) => r.run('Tanh', wide)],
  ['a sum of float32 from elsewhere, of which as many bytes would be read', sumOfArguments],
])('%s is passed as before', (_, between) => {
  const program = forwardAndBack(between);
  expect(recomputedAtBorders(program)).toBe(program);
});

/** Of twelve bytes a number, where the sum has four. */
function sumOfArguments(r: Recorder, wide: Value): Value {
  return [1, 2, 3].reduce((sum) => r.run('AddV2', sum, r.matrix('float32')), wide);
}

test('a value that a product reads, and a result, are still written', () => {
  const r = new Recorder();
  const wide = r.cast(r.product(r.matrix('bfloat16'), r.matrix('bfloat16')), 'float32');
  const doubled = r.run('AddV2', wide, wide);
  const narrow = r.cast(doubled, 'bfloat16');
  const next = r.cast(r.product(narrow, narrow), 'float32');
  const program = r.tracer.finish([r.run('Mul', r.run('Neg', next), r.cast(narrow, 'float32')), doubled]);
  const rewritten = recomputedAtBorders(program);
  expect(rewritten.results[1].producer).toMatchObject({ op: 'AddV2' });
  expect(crossing(rewritten)).toContain('bfloat16 of Cast');
});
