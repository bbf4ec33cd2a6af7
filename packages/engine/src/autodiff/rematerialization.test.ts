import {
  findNativeLibrary,
  openEngine,
  orderAfter,
  recomputed,
  tf,
  valueAndGradients,
  type EngineMode,
} from '../index';

const MODES: EngineMode[] = ['xla', 'graph', 'mixed', 'eager', 'portable'];
let hasLibrary = false;
beforeAll(async () => void (hasLibrary = (await findNativeLibrary()) !== undefined));

const block = ([x]: readonly tf.Tensor[], [w]: readonly tf.Tensor[], [mask]: readonly tf.Tensor[]): tf.Tensor =>
  tf.tanh(tf.mul(tf.matMul(tf.exp(tf.mul(x, 0.1)) as tf.Tensor2D, w as tf.Tensor2D), mask));

describe.each(MODES)('rematerialization on %s', (mode) => {
  it('a rematerialized block has the value and the gradients of the plain one', async () => {
    if (!hasLibrary && mode !== 'portable') return;
    const engine = await openEngine({ mode });
    const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const w = tf.tensor2d([0.1, -0.2, 0.3, 0.4], [2, 2]);
    const mask = tf.tensor2d([1, 0, 1, 1], [2, 2]);
    const make = (again: boolean) =>
      engine.jit((parameters: Record<string, tf.Tensor>, seen: tf.Tensor) => {
        const layer = (h: tf.Tensor, weight: tf.Tensor): tf.Tensor =>
          again ? recomputed(block, [h], { parameters: [weight], fixed: [seen] }) : block([h], [weight], [seen]);
        const { loss, gradients } = valueAndGradients(
          ({ x: h, w: weight }) => ({
            loss: tf.sum(tf.square(layer(layer(h, weight), weight))) as tf.Scalar,
            auxiliary: {},
          }),
          parameters,
        );
        return { loss, gradients };
      });
    const [plain, recomputing] = [make(false), make(true)];
    const before = tf.memory().numTensors;
    const [a, b] = [plain({ x, w }, mask), recomputing({ x, w }, mask)];
    expect(b.loss.dataSync()[0]).toBeCloseTo(a.loss.dataSync()[0], 5);
    for (const name of ['x', 'w']) {
      const [expected, got] = [a.gradients[name].dataSync(), b.gradients[name].dataSync()];
      expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 5));
      expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.001);
    }
    tf.dispose([a, b] as unknown as tf.TensorContainer);
    expect(tf.memory().numTensors).toBe(before);
    plain.dispose();
    recomputing.dispose();
    tf.dispose([x, w, mask]);
  });

  it('after() returns its first argument unchanged', async () => {
    if (!hasLibrary && mode !== 'portable') return;
    const engine = await openEngine({ mode });
    const fn = engine.jit((a: tf.Tensor, b: tf.Tensor) => orderAfter(a, [tf.add(b, 1), tf.sum(a)]));
    const [a, b] = [tf.tensor1d([1, -2]), tf.tensor2d([[3]])];
    const c = fn(a, b);
    expect([...c.dataSync()]).toEqual([1, -2]);
    tf.dispose([a, b, c]);
    fn.dispose();
  });
});
