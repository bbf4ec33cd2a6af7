// The device's attention kernels against attention with all scores in float32: values and gradients. A line of JSON each.
import { openEngine, random, tf, valueAndGradients, withPrecision } from '@graft/engine';
import { fused, whole } from '../../plugins/gemma/dist/model/attention.js';
import { additiveMask } from '../../plugins/gemma/dist/model/attention-mask.js';

/** Relative distances, ||a - b|| / ||b||, that bfloat16 operands explain. */
const TOLERANCE = 1.5e-2;

const CASES = {
  'all keys': { headDim: 64 },
  causal: { headDim: 64, span: { ahead: 0, behind: Infinity } },
  'a window in both directions': { headDim: 64, span: { ahead: 100, behind: 100 } },
  'a causal window, shared heads': { headDim: 256, heads: 8, keyValueHeads: 4, span: { ahead: 0, behind: 150 } },
  'padding, shared heads': { headDim: 256, heads: 4, keyValueHeads: 2, padded: true },
  'padding, lengths that no tile divides': { headDim: 128, queries: 200, keys: 333, padded: true },
  segments: { headDim: 64, segmented: true },
  'without a cap, causal': { headDim: 128, cap: null, span: { ahead: 0, behind: Infinity } },
  'without a cap, padding': { headDim: 64, cap: null, padded: true },
  'small heads': { headDim: 32, heads: 2, keyValueHeads: 1, span: { ahead: 0, behind: 40 }, padded: true },
};

async function main() {
  const engine = await openEngine({ mode: 'pjrt' });
  let failures = 0;
  for (const [name, options] of Object.entries(CASES)) {
    const { batch = 2, queries = 512, keys = 512, heads = 4, keyValueHeads = heads, headDim } = options;
    const { cap = 50, span, padded, segmented } = options;
    const side = { heads, keyValueHeads, headDim, attentionSoftCap: cap };
    const draw = (i, shape, scale) => random.normal(random.key(i), shape, 0, scale);
    // Scores of a standard deviation of 3 before the cap.
    const q = draw(0, [batch, queries, heads, headDim], 3 / Math.sqrt(headDim) / (cap ?? 1));
    const k = draw(1, [batch, keyValueHeads, keys, headDim], 1);
    const v = draw(2, [batch, keyValueHeads, keys, headDim], 1);
    // Rows of padding may see no key, and what they become does not matter.
    const counts = tf.tensor(
      Float32Array.from({ length: batch * queries }, (_, i) =>
        padded && i % queries >= keys - 37 * (Math.floor(i / queries) + 1) ? 0 : 1,
      ),
      [batch * queries, 1],
    );
    const w = tf.mul(draw(3, [batch * queries, heads * headDim], 1), counts);
    const each = (length, fn) =>
      tf.tensor2d(
        Int32Array.from({ length: batch * length }, (_, i) => fn(Math.floor(i / length), i % length)),
        [batch, length],
        'int32',
      );
    const keyNumbers = padded
      ? each(keys, (row, at) => (at < keys - 37 * (row + 1) ? 1 : 0))
      : segmented
        ? each(keys, (row, at) => Math.floor(at / (100 + 50 * row)))
        : undefined;
    const queryNumbers = segmented ? each(queries, (row, at) => Math.floor(at / (100 + 50 * row))) : undefined;
    const compute = (fn) => {
      const step = engine.jit(
        (given, numbers) =>
          valueAndGradients(
            ({ q: qs, k: ks, v: vs }) => {
              const y = fn(numbers).rows(side, qs, { keys: ks, values: vs });
              return { loss: tf.sum(tf.mul(y, w)), auxiliary: { y } };
            },
            { q: given.q, k: given.k, v: given.v },
          ),
        { name: 'attention' },
      );
      return step;
    };
    const mask = (n) => ({
      span,
      ...(keyNumbers && { keyNumbers: n.keyNumbers }),
      ...(queryNumbers && { queryNumbers: n.queryNumbers }),
    });
    const block = { firstQuery: 0, queries, firstKey: 0, keys };
    const plain = compute((n) => whole(additiveMask(mask(n), block)));
    const numbers = { ...(keyNumbers && { keyNumbers }), ...(queryNumbers && { queryNumbers }) };
    const expected = plain({ q, k, v }, numbers);
    const kernel = compute((n) => fused(mask(n)));
    const got = withPrecision('bfloat16', () => kernel({ q, k, v }, numbers));
    const pairs = {
      y: [tf.mul(got.auxiliary.y, counts), tf.mul(expected.auxiliary.y, counts)],
      ...Object.fromEntries(['q', 'k', 'v'].map((n) => [`d${n}`, [got.gradients[n], expected.gradients[n]]])),
    };
    const errors = {};
    for (const [what, [a, b]] of Object.entries(pairs))
      errors[what] = tf.tidy(() => tf.div(tf.norm(tf.sub(a, b)), tf.norm(b))).dataSync()[0];
    const ok = Object.values(errors).every((error) => error <= TOLERANCE);
    if (!ok) failures++;
    console.log(JSON.stringify({ kind: 'attention', case: name, ok, errors }));
  }
  if (failures > 0) process.exitCode = 1;
}

void main();
