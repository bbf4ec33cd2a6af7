import { openEngine, tf, type EngineMode } from './index';
import { readPieces, tensorOfPieces } from './internal';

/** All values; a piece is copied, as it holds them only until the next one. */
async function read(tensor: tf.Tensor): Promise<number[]> {
  const pieces: number[][] = [];
  for await (const piece of readPieces(tensor)) pieces.push([...piece]);
  return pieces.flat();
}

describe.each<EngineMode>(['graph', 'portable'])('the pieces of a tensor on %s', (mode) => {
  beforeAll(async () => {
    await openEngine({ mode });
  });

  test.each(['float32', 'int32'] as const)('the pieces of a %s tensor are its values in order', async (dtype) => {
    for (const size of [0, 1, 1000, (1 << 18) + 3]) {
      const tensor = tf.range(0, size, 1, dtype);
      expect(await read(tensor)).toEqual(Array.from({ length: size }, (_, i) => i));
      tensor.dispose();
    }
  });

  test('the pieces of an enqueued result are its computed values', async () => {
    const engine = await openEngine({ mode });
    const ones = tf.ones([300, 300]);
    const power = engine.jit((x: tf.Tensor) =>
      tf.matMul(tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D), x as tf.Tensor2D),
    );
    const y = await power.enqueue(ones);
    const values = await read(y);
    expect(values).toHaveLength(90_000);
    expect(new Set(values)).toEqual(new Set([90_000]));
    tf.dispose([ones, y]);
  });

  test('the pieces of a tensor can be assembled into an equal tensor', async () => {
    for (const dtype of ['float32', 'int32'] as const) {
      const tensor = tf.range(0, (1 << 18) + 6, 1, dtype).reshape([2, -1]);
      const { shape } = tensor;
      const again = await tensorOfPieces({ shape, dtype }, readPieces(tensor));
      expect(again.shape).toEqual(shape);
      expect(again.dtype).toBe(dtype);
      expect(tf.all(tf.equal(again, tensor)).dataSync()[0]).toBe(1);
      tf.dispose([tensor, again]);
    }
  });

  test.each([
    [[2, 2], 'at least 6'],
    [[2, 4], '6'],
  ])('too many or too few pieces for the shape %j are rejected without a leak', async (shape, given) => {
    const engine = await openEngine({ mode });
    const { tensors, bytes } = engine.memory();
    async function* pieces(): AsyncGenerator<Float32Array> {
      yield await Promise.resolve(new Float32Array(3));
      yield new Float32Array(3);
    }
    await expect(tensorOfPieces({ shape, dtype: 'float32' }, pieces())).rejects.toThrow(
      `A tensor [${shape.join(', ')}] has ${shape[0] * shape[1]} values, but ${given} were given.`,
    );
    expect(engine.memory()).toMatchObject({ tensors, bytes });
  });

  test('a reader that stops early leaks nothing', async () => {
    const engine = await openEngine({ mode });
    const before = engine.memory();
    const tensor = tf.ones([3, 1 << 18]);
    for await (const piece of readPieces(tensor)) {
      expect(piece[0]).toBe(1);
      break;
    }
    tensor.dispose();
    expect(engine.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
    await expect(read(tensor)).rejects.toThrow(/disposed/);
  });
});
