// The same arithmetic in different forms, compiled by XLA: which one to write is measured, not guessed.
//   node test/bench/forms.mjs products    the three products of a linear layer, GFLOP/s
//   node test/bench/forms.mjs attention   one token's attention over stored keys and values, microseconds
//   node test/bench/forms.mjs rows        a few rows times stored matrices, packed or not, billions of weights a second
//   node test/bench/forms.mjs sums        sums of products over rows, columns and everything, microseconds
import { openEngine, packBfloat16, tf, unpackBfloat16 } from '@graft/engine';
import { median } from './statistics.mjs';

const engine = await openEngine({ mode: 'xla' });

/** Median milliseconds of a compiled function of these tensors. */
async function time(fn, tensors) {
  const compiled = engine.jit(fn);
  const times = [];
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    const result = await compiled.async(tensors);
    await result.data();
    result.dispose();
    if (i > 3) times.push(performance.now() - start);
  }
  compiled.dispose();
  return median(times);
}

async function products(rows, width, out) {
  const repeats = Math.max(4, Math.round(2e9 / (2 * rows * width * out)));
  const many = (...shapes) =>
    Array.from({ length: repeats }, () => shapes.map((shape) => tf.randomUniform(shape, -1, 1)));
  const forms = {
    'forward, x w^T': [many([rows, width], [out, width]), (x, w) => tf.matMul(x, w, false, true)],
    'of the input, dy w': [many([rows, out], [out, width]), (dy, w) => tf.matMul(dy, w)],
    'of the weight, dy^T x': [many([rows, out], [rows, width]), (dy, x) => tf.matMul(dy, x, true)],
  };
  for (const [name, [pairs, multiply]] of Object.entries(forms)) {
    const ms = await time((given) => tf.addN(given.map(([a, b]) => tf.mean(multiply(a, b)))), pairs);
    const rate = (2 * rows * width * out * repeats) / ms / 1e6;
    console.log(`${rows} rows, ${width} to ${out}: ${name.padEnd(22)} ${rate.toFixed(0)} GFLOP/s`);
    tf.dispose(pairs);
  }
}

async function rows(count, out, width) {
  const copies = Math.max(1, Math.round(2e7 / (out * width)));
  const matrices = Array.from({ length: copies }, () => tf.randomUniform([out, width], -1, 1));
  const packed = matrices.map((matrix) => packBfloat16(matrix));
  const x = tf.randomUniform([count, width], -1, 1);
  // The engine writes products with a packed matrix as sums; scaled, it does not see that the matrix is packed.
  const hidden = (words) => tf.mul(unpackBfloat16(words), 1.5);
  const forms = {
    float32: [matrices, (w) => w],
    'bfloat16, plain': [packed, hidden],
    'bfloat16, sums': [packed, unpackBfloat16],
  };
  for (const [name, [stored, wide]] of Object.entries(forms)) {
    const ms = await time(
      ([first, ...given]) => tf.addN(given.map((w) => tf.mean(tf.matMul(first, wide(w), false, true)))),
      [x, ...stored],
    );
    const rate = (copies * out * width) / ms / 1e6;
    console.log(`${count} rows, ${width} to ${out}: ${name.padEnd(15)} ${rate.toFixed(1)} billion weights/s`);
  }
  tf.dispose([x, matrices, packed]);
}

async function attention(batch, heads, places, width, rows) {
  const layers = 8;
  const weights = (scores) => tf.exp(tf.mul(tf.tanh(scores), 50));
  const turn = (x) => tf.transpose(x, [0, 1, 3, 2]);
  // The engine writes products of one or two queries with a stored matrix as sums; said like this, it leaves them to XLA.
  const product = (a, b) => tf.matMul(turn(a), b, true);
  const turned = (keys) => tf.reshape(keys, [batch, heads, width, places]);
  const mixed = (e, values, multiply = product) => tf.div(multiply(e, values), tf.sum(e, -1, true));
  const forms = {
    plain: (q, keys, values) => mixed(weights(tf.matMul(q, keys, false, true)), values),
    'products turned': (q, keys, values) => mixed(turn(weights(tf.matMul(keys, q, false, true))), values),
    'keys turned': (q, keys, values) => mixed(weights(product(q, turned(keys))), values),
    'written as sums': (q, keys, values) => mixed(weights(tf.matMul(q, turned(keys))), values, tf.matMul),
  };
  const stored = Array.from({ length: 2 * layers }, () => tf.randomUniform([batch, heads, places, width], -1, 1));
  const q = tf.randomUniform([batch, heads, rows, width], -1, 1);
  for (const [name, form] of Object.entries(forms)) {
    const ms = await time(
      ([start, ...given]) => {
        let x = start;
        for (let i = 0; i < layers; i++) x = tf.add(tf.mul(x, 0.9), form(x, given[2 * i], given[2 * i + 1]));
        return x;
      },
      [q, ...stored],
    );
    const bytes = 8 * batch * heads * places * width * layers;
    console.log(
      `${batch} x ${heads} heads, ${rows} rows, ${places} places of ${width}: ${name.padEnd(16)} ` +
        `${((1000 * ms) / layers).toFixed(0)} us, ${(bytes / ms / 1e6).toFixed(0)} GB/s`,
    );
  }
  tf.dispose([q, stored]);
}

async function sums(rows, width) {
  const count = Math.max(16, Math.round(2e7 / (rows * width)));
  const matrices = Array.from({ length: 2 * count }, () => tf.randomUniform([rows, width], -1, 1));
  // The engine says sums of products in parts; behind a reshape it does not see the product, and leaves it to XLA.
  const forms = {
    plain: (x, y) => tf.reshape(tf.mul(x, y), [rows, width]),
    'in parts': (x, y) => tf.mul(x, y),
  };
  for (const [over, axes] of Object.entries({ 'each row': [1], 'each column': [0], everything: [0, 1] })) {
    for (const [name, form] of Object.entries(forms)) {
      const ms = await time(
        (given) => tf.addN(Array.from({ length: count }, (_, i) => tf.sum(form(given[2 * i], given[2 * i + 1]), axes))),
        matrices,
      );
      const bytes = 8 * rows * width * count;
      console.log(
        `${rows} x ${width}, ${over.padEnd(11)} ${name.padEnd(9)} ` +
          `${((1000 * ms) / count).toFixed(0)} us, ${(bytes / ms / 1e6).toFixed(0)} GB/s`,
      );
    }
  }
  tf.dispose(matrices);
}

if (process.argv[2] === 'sums') {
  await sums(512, 128);
  await sums(1024, 512);
  await sums(1024, 2304);
} else if (process.argv[2] === 'products') {
  for (const [width, out] of [[512, 512], [512, 1024]]) await products(1024, width, out); // prettier-ignore
  await products(512, 128, 256);
} else if (process.argv[2] === 'rows') {
  for (const count of [1, 4]) for (const [out, width] of [[1024, 512], [512, 1024], [32768, 512], [2304, 2304]]) await rows(count, out, width); // prettier-ignore
} else if (process.argv[2] === 'attention') {
  await attention(8, 8, 256, 64, 1);
  await attention(8, 8, 256, 64, 2);
  await attention(1, 4, 1024, 256, 2);
  await attention(8, 4, 1024, 256, 2);
} else {
  console.error('Name what to measure: products, rows, attention or sums.');
  process.exit(2);
}
