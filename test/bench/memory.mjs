// Memory of a training step, measured. Each variant is a process of its own.
//   node test/bench/memory.mjs [plain|chunks|chunks+blocks] [--executor xla|mixed|graph] [--hidden 256] [--layers 4] [--batch 4] [--tokens 512]
//   node test/bench/memory.mjs distill[+chunks][+blocks] [--loss blend|gemma2|gemma3] [the same]
// Without a variant: all of the first line, as a table. The vocabulary is Gemma's; what a step must hold is computed from the shapes.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createRandom, uploadBatch } from '@graft/core';
import { makeTrainStep } from '@graft/core/internal';
import { openEngine, random, tf } from '@graft/engine';
import { GemmaModel } from '@graft/gemma';
import { PrefixLm, Seq2Seq, seq2seqOptions, Teacher } from '@graft/objectives';
import { AdamW, adamwOptions } from '@graft/optimizers';
import { pairOf, sideOf } from './pair.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    executor: { type: 'string', default: 'xla' },
    vocabulary: { type: 'string', default: '256000' },
    tokens: { type: 'string', default: '512' },
    hidden: { type: 'string', default: '256' },
    layers: { type: 'string', default: '4' },
    batch: { type: 'string', default: '4' },
    loss: { type: 'string', default: 'blend' },
    donate: { type: 'string' },
  },
});
const VARIANTS = ['plain', 'chunks', 'chunks+blocks'];
const CHUNK = 128;
const MIB = 2 ** 20;

if (positionals.length === 0) {
  console.log(
    '| variant | executor | must be held, MiB | peak of steps, MiB | ratio | peak with compiling, MiB | s/step |\n| --- | --- | --- | --- | --- | --- | --- |',
  );
  for (const variant of VARIANTS) {
    const line = execFileSync(process.execPath, [process.argv[1], variant, ...process.argv.slice(2)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const r = JSON.parse(line.trim().split('\n').pop());
    console.log(
      `| ${r.variant} | ${r.executor} | ${r.heldMiB} | ${r.peakMiB} | ${(r.peakMiB / r.heldMiB).toFixed(2)} | ${r.compilingMiB} | ${r.seconds.toFixed(2)} |`,
    );
  }
  process.exit(0);
}

const [variant] = positionals;
const status = (key) =>
  Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

const engine = await openEngine({ mode: values.executor });
const before = status('VmRSS');
const [batchSize, length, vocabulary] = [Number(values.batch), Number(values.tokens), Number(values.vocabulary)];
const [layers, hidden, headDim] = [Number(values.layers), Number(values.hidden), 64];
const [feedForward, heads] = [4 * hidden, hidden / headDim];
const size = { layers, hidden, feedForward, heads, keyValueHeads: heads, headDim, vocabulary };
const model = pairOf(size, { tieEncoderEmbedding: true, rematerialize: variant.includes('blocks') });
const chunks = variant.includes('chunks') ? { chunkTokens: CHUNK } : {};
const filled = (specs) =>
  Object.fromEntries(
    specs.map(({ name, shape, initial }) => [name, initial === 'zeros' ? tf.zeros(shape) : tf.fill(shape, 0.01)]),
  );
const teacher = variant.includes('distill')
  ? new GemmaModel({ kind: 'decoder-only', decoder: sideOf(size) })
  : undefined;
const distillation = { loss: values.loss, alpha: values.loss === 'blend' ? 0.25 : 0, temperature: 1 };
const objective = teacher
  ? new PrefixLm(
      { split: 'half', padToMultipleOf: 32, ...chunks },
      new Teacher(teacher, filled(teacher.parameters), distillation),
    )
  : new Seq2Seq(seq2seqOptions.parse(chunks));
const optimizer = new AdamW(adamwOptions.parse({ learningRate: 1e-3, clipNorm: 1 }));
let parameters = filled(model.parameters);
let state = optimizer.init(parameters);
const ids = () => ({
  dtype: 'int32',
  shape: [batchSize, length],
  values: Int32Array.from({ length: batchSize * length }, () => 3 + Math.floor(Math.random() * (vocabulary - 3))),
});
const context = { model, random: createRandom(0), step: 0 };
const batch = uploadBatch(objective.prepare({ kind: 'batch', batch: { input_ids: ids(), labels: ids() } }, context));
const step = makeTrainStep(engine, model, objective, optimizer, { donate: values.donate !== 'no' });
const times = [];
async function steps(count) {
  for (let i = 0; i < count; i++) {
    const inputs = { step: tf.scalar(i), learningRate: tf.scalar(1e-3), randomKey: random.key(i), batch };
    const start = performance.now();
    const outputs = await step.async({ parameters, state, ...inputs });
    if (values.donate === 'no') tf.dispose([parameters, state]);
    ({ parameters, state } = outputs);
    await outputs.numbers.data();
    times.push((performance.now() - start) / 1000);
    tf.dispose([outputs.numbers, inputs.step, inputs.learningRate, inputs.randomKey]);
  }
}
await steps(1);
const compiling = status('VmHWM');
// From here on the kernel counts the peak again: steps, without what compiling needed and gave back.
writeFileSync('/proc/self/clear_refs', '5');
await steps(3);
const peak = status('VmHWM');

const countOf = (specs) => specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
const count = countOf(model.parameters);
const rows = batchSize * length;
const scores = batchSize * heads * length * length;
// Numbers of one block that its gradient reads: the inputs of norms and products, attention's probabilities and capped scores.
const attention = 9 * rows * hidden + 2 * scores;
const inside = {
  encoder: attention + 3 * rows * hidden + 6 * rows * feedForward,
  decoder: 2 * attention + 3 * rows * hidden + 6 * rows * feedForward,
};
const blocks = variant.includes('blocks')
  ? layers * 2 * rows * hidden + Math.max(inside.encoder, inside.decoder)
  : layers * (inside.encoder + inside.decoder);
// Soft-capped logits, exponentials, and the gradient; of a teacher logits and exponentials.
const logits = (teacher ? 5 : 3) * vocabulary * (variant.includes('chunks') ? CHUNK : rows);
const held = (4 * count + (teacher ? countOf(teacher.parameters) : 0) + blocks + logits) * 4;
console.log(
  JSON.stringify({
    variant,
    ...(teacher ? { loss: values.loss } : {}),
    executor: engine.executor,
    peakMiB: Math.round(peak - before),
    compilingMiB: Math.round(compiling - before),
    heldMiB: Math.round(held / MIB),
    parameters: count,
    seconds: Math.min(...times),
    restMiB: Math.round(before),
  }),
);
