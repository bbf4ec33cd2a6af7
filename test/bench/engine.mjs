// The engine's own numbers: matrix multiplication in both precisions, and what one operation costs.
//   node test/bench/engine.mjs --products    the multiplications alone
import { openEngine, tf } from '@graft/engine';
import { median } from './statistics.mjs';

const SIZE = 2048;
const time = async (repeats, run) => {
  const times = [];
  for (let i = 0; i < repeats + 2; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return median(times.slice(2));
};

for (const [mode, precision] of [
  ['xla', 'float32'],
  ['graph', 'float32'],
  ['graph', 'bfloat16'],
]) {
  const engine = await openEngine({ mode, precision });
  const a = tf.ones([SIZE, SIZE]);
  const b = tf.ones([SIZE, SIZE]);
  // A chain, so that the call itself does not count; the cheap sum keeps what comes back small.
  const chain = engine.jit((x, y) => tf.sum(tf.matMul(tf.matMul(tf.matMul(tf.matMul(x, y), y), y), y)), {
    name: 'matmuls',
  });
  const ms = await time(7, async () => {
    const result = await chain.async(a, b);
    await result.data();
    result.dispose();
  });
  console.log(`matmul ${SIZE} ${precision} (${mode}): ${((4 * 2 * SIZE ** 3) / ms / 1e6).toFixed(0)} GFLOP/s`);
  tf.dispose([a, b]);
  chain.dispose();
}

if (process.argv.includes('--products')) process.exit(0);

const engine = await openEngine({ mode: 'eager' });
const x = tf.ones([8]);
const COUNT = 2000;
const eager = await time(5, () => {
  for (let i = 0; i < COUNT; i++) tf.add(x, x).dispose();
});
console.log(`one eager operation: ${((eager * 1000) / COUNT).toFixed(1)} us`);
for (const mode of ['xla', 'graph']) {
  const compiled = (await openEngine({ mode })).jit((v) => tf.add(v, v), { name: 'add' });
  const call = await time(5, () => {
    for (let i = 0; i < COUNT; i++) compiled(x).dispose();
  });
  console.log(`one call of a compiled function (${mode}): ${((call * 1000) / COUNT).toFixed(1)} us`);
}
void engine;
