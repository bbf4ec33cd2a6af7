// One training step of an encoder-decoder, timed: node test/bench/train-step.mjs SIZE PRECISION [--mode M] [--steps N] [--profile LINES]
// The sizes are those of the peers' benchmark (test/peers/bench_sizes.py). Prints one line of JSON.
import { parseArgs } from 'node:util';
import { openEngine, random, tf } from '@graft/engine';
import { createComponentFactory, createRandom, Registry, silentLogger, uploadBatch } from '@graft/core';
import { makeTrainStep } from '@graft/core/internal';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { makeModel } from './model.mjs';
import { median } from './statistics.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    mode: { type: 'string' },
    steps: { type: 'string' },
    donate: { type: 'string' },
    profile: { type: 'string' },
    'compile-cache': { type: 'boolean', default: false },
  },
});
const [sizeName = 'tiny', precision = 'float32'] = positionals;
const engine = await openEngine({
  mode: values.mode ?? 'auto',
  precision,
  compileCache: values['compile-cache'],
});

const made = makeModel(sizeName);
const { size, model } = made;
let { parameters } = made;
const registry = new Registry();
registry.register(objectives, 'benchmark');
registry.register(optimizers, 'benchmark');
const components = createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() });
const objective = await components.create('objective', { use: 'seq2seq' });
const optimizer = await components.create('optimizer', {
  use: 'adamw',
  learningRate: 1e-3,
  betas: [0.9, 0.95],
  clipNorm: 1,
});
let state = optimizer.init(parameters);

const ids = (length) => ({
  dtype: 'int32',
  shape: [size.batch, length],
  values: Int32Array.from({ length: size.batch * length }, () => 3 + Math.floor(Math.random() * (size.vocabulary - 3))),
});
const fields = objective.prepare(
  { kind: 'batch', batch: { input_ids: ids(size.source), labels: ids(size.target) } },
  { model },
);
const batch = uploadBatch(fields);

const step = makeTrainStep(engine, model, objective, optimizer, { donate: values.donate !== 'no' });
if (values.profile !== undefined) {
  const inputs = { step: tf.scalar(0), learningRate: tf.scalar(1e-3), randomKey: random.key(0), batch };
  step.profile({ parameters, state, ...inputs });
  const profile = step.profile({ parameters, state, ...inputs });
  const total = profile.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const byOp = new Map();
  for (const { op, count, milliseconds } of profile) {
    const known = byOp.get(op) ?? { count: 0, milliseconds: 0 };
    byOp.set(op, { count: known.count + count, milliseconds: known.milliseconds + milliseconds });
  }
  console.log(`one step of ${sizeName} in ${precision}, operation by operation: ${total.toFixed(0)} ms`);
  const line = (milliseconds, count, text) =>
    console.log(
      `${milliseconds.toFixed(1).padStart(8)} ms ${((100 * milliseconds) / total).toFixed(1).padStart(5)} % ${String(count).padStart(5)}  ${text}`,
    );
  for (const [op, { count, milliseconds }] of [...byOp]
    .sort((a, b) => b[1].milliseconds - a[1].milliseconds)
    .slice(0, 20))
    line(milliseconds, count, op);
  console.log();
  for (const { op, operands, count, milliseconds } of profile.slice(0, Number(values.profile)))
    line(milliseconds, count, `${op} ${operands}`);
  process.exit(0);
}
const count = Number(values.steps ?? (sizeName === 'S' ? 6 : 40)) + 2;
const times = [];
let loss;
for (let i = 0; i < count; i++) {
  const inputs = { step: tf.scalar(i), learningRate: tf.scalar(1e-3), randomKey: random.key(i), batch };
  const start = performance.now();
  const outputs = await step.async({ parameters, state, ...inputs });
  if (values.donate === 'no') tf.dispose([parameters, state]);
  ({ parameters, state } = outputs);
  [loss] = await outputs.numbers.data();
  times.push(performance.now() - start);
  tf.dispose([outputs.numbers, inputs.step, inputs.learningRate, inputs.randomKey]);
}
const steady = times.slice(2);
const tokens = size.batch * (size.source + size.target);
console.log(
  JSON.stringify({
    kind: 'graft-train',
    size: sizeName,
    precision,
    executor: engine.executor,
    parameters: model.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    minSeconds: Math.min(...steady) / 1000,
    medianSeconds: median(steady) / 1000,
    steps: steady.length,
    compileSeconds: (step.statistics.traceMs + step.statistics.firstRunMs) / 1000,
    operations: step.statistics.operations,
    tokensPerSecond: tokens / (median(steady) / 1000),
    peakResidentGiB: process.resourceUsage().maxRSS / 2 ** 20,
    lastLoss: loss,
  }),
);
