import { findNativeLibrary, openEngine, tf } from '../index';

/** More than there are addresses: refused on every machine, however generous its kernel is. */
const ABSURD = 1e7;

// In a graph alone: its allocator tries for ten seconds before it gives up. XLA has an end-to-end test in every run.
it('memory that the system refuses raises an error of its own', async () => {
  if (!(await findNativeLibrary())) return;
  const engine = await openEngine({ mode: 'graph' });
  const before = tf.memory().numTensors;
  const handles = engine.memory().handles;
  const step = engine.jit(
    ({ w }: { w: tf.Tensor }) => {
      const long = tf.broadcastTo(tf.reshape(w, [1, 100]), [ABSURD / 100, 100]).reshape([ABSURD, 1]);
      const sides = tf.concat([long, tf.sin(long)], 1) as tf.Tensor2D;
      const square = tf.matMul(sides, sides, false, true).softmax();
      return { w: tf.add(w, square.sin().sum()) };
    },
    { donates: ['w'] },
  );
  const w = tf.ones([100]);
  await expect(step.async({ w })).rejects.toMatchObject({
    code: 'engine.out-of-memory',
    message: expect.not.stringMatching(/function_node|job:localhost/),
    hint: expect.stringContaining('smaller batches'),
  });
  step.dispose();
  if (!w.isDisposed) w.dispose();
  expect(tf.memory().numTensors).toBe(before);
  expect(engine.memory().handles).toBe(handles);
});
