/** The rewritings as graphs, and their values on the CPU plugin. */
import { describePjrt } from '../../../../test-support/cpu-plugin';
import { openEngine, tf } from '../../../index';
import { dtypeOf, intOf } from '../../../program/attributes';
import { countOperations } from '../../../program/passes';
import type { Program, Value } from '../../../program/program';
import { Tracer } from '../../../trace/tracer';
import { rewriteForPjrt } from './index';

const [ROWS, WIDTH] = [4, 9];

/** x [4, 9] with one update per row, at the pairs that `first` and the argument of columns make. */
function scatter(first: (tracer: Tracer, columns: Value) => Value): Program {
  const tracer = new Tracer('scatter');
  const [matrix, columns, updates] = [
    tracer.argument({ dtype: 'float32', shape: [ROWS, WIDTH] }),
    tracer.argument({ dtype: 'int32', shape: [ROWS] }),
    tracer.argument({ dtype: 'float32', shape: [ROWS] }),
  ];
  const [pairs] = tracer.operation(
    'Pack',
    { N: intOf(2), T: dtypeOf('int32'), axis: intOf(1) },
    [first(tracer, columns), columns],
    1,
  );
  const attributes = { T: dtypeOf('float32'), Tindices: dtypeOf('int32') };
  return tracer.finish(tracer.operation('TensorScatterUpdate', attributes, [matrix, pairs, updates], 1));
}

const range = (tracer: Tracer, start: number): Value => {
  const ints = [start, start + ROWS, 1].map((value) =>
    tracer.constant({ dtype: 'int32', shape: [] }, new Uint8Array(Int32Array.of(value).buffer)),
  );
  return tracer.operation('Range', { Tidx: dtypeOf('int32') }, ints, 1)[0];
};

const operations = (program: Program): string[] => countOperations(rewriteForPjrt(program)).map(([op]) => op);

describe('one update in each row', () => {
  test('it becomes a choice by comparing the columns', () => {
    const found = operations(scatter((tracer) => range(tracer, 0)));
    expect(found).toEqual(expect.arrayContaining(['SelectV2', 'Equal']));
    expect(found).not.toContain('TensorScatterUpdate');
  });

  test('other scatters stay: rows that begin later, or that only the run knows', () => {
    expect(operations(scatter((tracer) => range(tracer, 1)))).toContain('TensorScatterUpdate');
    expect(operations(scatter((_, columns) => columns))).toContain('TensorScatterUpdate');
  });
});

describePjrt('the rewritten program', (plugin) => {
  test('has the values of the scatter', async () => {
    const update = (x: tf.Tensor2D, columns: tf.Tensor1D, values: tf.Tensor1D): tf.Tensor =>
      tf.tensorScatterUpdate(x, tf.stack([tf.range(0, ROWS, 1, 'int32'), columns], 1), values);
    const numbers = Array.from({ length: ROWS * WIDTH }, (_, i) => i);
    const run = async (mode: 'pjrt' | 'portable'): Promise<number[]> => {
      const engine = await openEngine({ mode, plugin: mode === 'pjrt' ? plugin : undefined });
      const fn = engine.jit(update);
      const given = [
        tf.tensor2d(numbers, [ROWS, WIDTH]),
        tf.tensor1d([8, 0, 3, 3], 'int32'),
        tf.tensor1d([-1, -2, -3, -4]),
      ] as const;
      const result = fn(...given);
      const values = [...result.dataSync()];
      tf.dispose([result, ...given]);
      fn.dispose();
      return values;
    };
    const values = await run('pjrt');
    expect(values).toEqual(await run('portable'));
    expect(values[8]).toBe(-1);
  });
});
