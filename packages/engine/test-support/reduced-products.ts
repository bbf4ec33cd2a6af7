/** Reductions of products under XLA and in a graph: shared by the tests of every run and the slow ones. */
import { describeNative } from '@graft/test-support';
import { openEngine, tf, type EngineMode } from '../src';

const MODES: readonly EngineMode[] = ['xla', 'mixed'];

/** All that are parted. */
const REDUCTIONS = { sum: tf.sum, mean: tf.mean, max: tf.max } as const;

interface Run {
  values: Float32Array;
  shape: number[];
  operations: number;
}

async function run(mode: EngineMode, fn: (x: tf.Tensor, y: tf.Tensor) => tf.Tensor, shapes: number[][]): Promise<Run> {
  const engine = await openEngine({ mode });
  const [x, y] = shapes.map((shape, i) => tf.randomUniform(shape, -1, 1, 'float32', i + 1));
  const compiled = engine.jit(fn);
  const result = compiled(x, y);
  const found = { values: result.dataSync() as Float32Array, shape: result.shape };
  tf.dispose([result, x, y]);
  const { operations } = compiled.statistics;
  compiled.dispose();
  return { ...found, operations };
}

/** Beside values below 1 absolute, beside larger ones relative. */
function worst(a: Run, b: Run): number {
  expect(a.shape).toEqual(b.shape);
  return a.values.reduce((most, value, i) => Math.max(most, Math.abs(value - b.values[i]) / (1 + Math.abs(value))), 0);
}

type Reduction = readonly [reduce: keyof typeof REDUCTIONS, keepDims: boolean];

/** Tests of each kind of product with these reductions. */
export const reducedProductCases = (reductions: readonly Reduction[]): void =>
  describeNative('reductions of products', () => {
    // Tensors belong to the engine that is open when they are made.
    beforeAll(async () => {
      await openEngine({ mode: 'graph' });
    });

    const product = (x: tf.Tensor, y: tf.Tensor): tf.Tensor => tf.mul(x, y);
    const square = (x: tf.Tensor): tf.Tensor => tf.square(x);
    const [rows, columns] = [[1], [0]];

    test.each([
      ['rows', product, rows, [[128, 256], [128, 256]], true], // prettier-ignore
      ['columns', product, columns, [[128, 256], [128, 256]], true], // prettier-ignore
      ['everything', product, undefined, [[128, 256], [128, 256]], true], // prettier-ignore
      ['squares', square, columns, [[128, 256], [1]], true],
      ['a factor for each column, over rows', product, rows, [[128, 256], [256]], true],
      ['a factor for each column, over columns', product, columns, [[128, 256], [256]], true],
      ['a factor for each row', product, rows, [[128, 1], [128, 256]], true], // prettier-ignore
      ['one factor', product, rows, [[128, 256], []], true],
      ['the axes between others', product, [1, 2], [[8, 6, 16, 64], [8, 6, 16, 64]], true], // prettier-ignore
      ['negative axes', product, [-1, -3], [[3, 16, 7, 64], [3, 16, 7, 64]], true], // prettier-ignore
      ['few', product, rows, [[64, 128], [64, 128]], false], // prettier-ignore
      ['an odd length', product, rows, [[128, 255], [128, 255]], false], // prettier-ignore
      ['sums instead of products', (x: tf.Tensor, y: tf.Tensor) => tf.add(x, y), rows, [[128, 256], [128, 256]], false], // prettier-ignore
    ] as const)("XLA's reduction equals the plain one, rewritten or not: %s", async (_, fn, axes, shapes, parted) => {
      const given = shapes.map((shape) => [...shape]);
      for (const [name, keepDims] of reductions) {
        const reduced = (x: tf.Tensor, y: tf.Tensor): tf.Tensor =>
          REDUCTIONS[name](fn(x, y), axes && [...axes], keepDims);
        const plain = await run('graph', reduced, given);
        for (const mode of MODES) {
          const found = await run(mode, reduced, given);
          expect(worst(found, plain)).toBeLessThan(1e-5);
          expect(found.operations > plain.operations).toBe(parted);
        }
      }
    });
  });
