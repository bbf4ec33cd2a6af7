import { spawnSync } from 'node:child_process';
import { openEngine, tf, valueAndGradients, type EngineMode } from './index';

describe.each<EngineMode>(['xla', 'graph', 'mixed', 'eager'])('2,000 steps on %s', (mode) => {
  test('2,000 training steps leak no handles, tensors or resident memory', async () => {
    const engine = await openEngine({ mode });
    const step = engine.jit((p: Record<string, tf.Tensor>, x: tf.Tensor) => {
      const { loss, gradients } = valueAndGradients(
        ({ w }) => ({
          loss: tf
            .matMul(x as tf.Tensor2D, w as tf.Tensor2D)
            .square()
            .mean()
            .asScalar(),
          auxiliary: [],
        }),
        p,
      );
      return { p: { w: tf.sub(p.w, tf.mul(gradients.w, 0.1)) }, loss };
    });
    let p: Record<string, tf.Tensor> = { w: tf.ones([64, 64]) };
    const run = async (steps: number): Promise<void> => {
      for (let i = 0; i < steps; i++) {
        const x = tf.fill([32, 64], 0.01 * (i % 7));
        const out = i % 2 === 0 ? step(p, x) : await step.async(p, x);
        tf.dispose([p, x]);
        p = out.p;
        out.loss.dataSync();
        out.loss.dispose();
      }
    };
    await run(200);
    const before = { ...engine.memory(), tensors: tf.memory().numTensors };
    const growths: number[] = [];
    for (let round = 0; round < 2; round++) {
      const { residentBytes } = engine.memory();
      await run(2000);
      growths.push(engine.memory().residentBytes - residentBytes);
    }
    const after = { ...engine.memory(), tensors: tf.memory().numTensors };
    expect(after.handles).toBe(before.handles);
    expect(after.tensors).toBe(before.tensors);
    expect(after.bytes).toBe(before.bytes);
    // A leak of one 16 KiB tensor a step would be 32 MiB in every round; allocators and the collector grow once.
    expect(Math.min(...growths)).toBeLessThan(16 * 2 ** 20);
    tf.dispose(p);
    step.dispose();
  });
});

test('a program that used the native library exits with status 0', () => {
  const entry = require.resolve('../dist/index.js');
  const script = `const { openEngine, tf } = require(${JSON.stringify(entry)});
    openEngine({ mode: 'xla' }).then((engine) => { const f = engine.jit((x) => x.add(1)); console.log(f(tf.scalar(1)).dataSync()[0]); });`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '2\n', stderr: '' });
});
