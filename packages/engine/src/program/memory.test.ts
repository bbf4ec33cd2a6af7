import { findNativeLibrary, openEngine, tf, type EngineMode } from '../index';

const KIB = 1024;

/** What a trace of `fn` at x [16, 16] (1 KiB) is said to need. */
async function needs(mode: EngineMode, fn: (x: tf.Tensor) => tf.Tensor, donate = false): Promise<number> {
  const engine = await openEngine({ mode });
  let temporary = NaN;
  const step = engine.jit(({ x }: { x: tf.Tensor }) => ({ x: fn(x) }), {
    donates: donate ? ['x'] : [],
    onTrace: ({ temporaryBytes }) => (temporary = temporaryBytes),
  });
  const x = tf.ones([16, 16]);
  tf.dispose([x, step({ x })]);
  step.dispose();
  return temporary;
}

describe.each<EngineMode>(['graph', 'xla'])('the memory estimate in mode %s', (mode) => {
  let native: boolean;
  beforeAll(async () => {
    native = (await findNativeLibrary()) !== undefined;
  });
  const check = async (expected: number, ...args: [(x: tf.Tensor) => tf.Tensor, boolean?]): Promise<void> => {
    if (native) expect(await needs(mode, ...args)).toBe(expected);
  };

  it('the estimate counts values as long as they are read', async () => {
    await check(KIB, (x) => tf.exp(x));
    // Each goes when the next is there.
    await check(2 * KIB, (x) => tf.exp(tf.exp(tf.exp(tf.exp(x)))));
    // The first is read by the last.
    await check(3 * KIB, (x) => {
      const first = tf.exp(x);
      return tf.mul(tf.exp(tf.sin(first)), first);
    });
  });

  it('the estimate counts neither views nor results that reuse a donated argument', async () => {
    await check(2 * KIB, (x) => tf.exp(tf.reshape(tf.exp(x), [256])).reshape([16, 16]));
    await check(KIB, (x) => tf.exp(tf.exp(x)), true);
  });
});

describe('the memory estimate in mode eager', () => {
  it('every value counts, because none is freed before the end, and one signature is traced once', async () => {
    if ((await findNativeLibrary()) === undefined) return;
    const engine = await openEngine({ mode: 'eager' });
    const estimates: number[] = [];
    let runs = 0;
    const step = engine.jit(
      ({ x }: { x: tf.Tensor }) => {
        runs++;
        return { x: tf.exp(tf.exp(tf.reshape(tf.exp(x), [-1]))) };
      },
      { onTrace: ({ temporaryBytes }) => void estimates.push(temporaryBytes) },
    );
    const x = tf.ones([16, 16]);
    const small = tf.ones([8, 16]);
    for (const input of [x, x, small]) tf.dispose(step({ x: input }) as unknown as tf.TensorContainer);
    tf.dispose([x, small]);
    // And the constant that is the new shape.
    expect(estimates).toEqual([3 * KIB + 4, 1.5 * KIB + 4]);
    expect(runs).toBe(5);
  });

  it('code that cannot be traced runs without an estimate', async () => {
    if ((await findNativeLibrary()) === undefined) return;
    const engine = await openEngine({ mode: 'eager' });
    const onTrace = jest.fn();
    let calls = 0;
    const step = engine.jit(
      (x: tf.Tensor) => {
        if (calls++ === 0) throw new Error('not yet');
        return tf.exp(x);
      },
      { onTrace },
    );
    const x = tf.zeros([2]);
    const result = step(x);
    expect(await result.data()).toEqual(new Float32Array([1, 1]));
    tf.dispose([x, result]);
    expect(onTrace).not.toHaveBeenCalled();
  });
});
