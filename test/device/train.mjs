// Training steps of a published pair on a device: tokens a second, MFU, peak memory. A line of JSON.
//   node train.cjs --size S --batch 16,8 [--plugin FILE] [--steps 8] [--rematerialize] [--precision bfloat16]
// Of several batches the first that fits is measured. Products are bfloat16; weights and moments are float32, or with
// --weights bfloat16 both bfloat16, rounded stochastically.
import { parseArgs } from 'node:util';
import { openEngine, packBfloat16, random, tf } from '@graft/engine';
import { createComponentFactory, createRandom, Registry, silentLogger, uploadBatch } from '@graft/core';
import { makeTrainStep } from '@graft/core/internal';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { drawParameters, makeModel } from './model.mjs';
import { peakTflops, stepFlops } from './sizes.mjs';

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: 'S' },
    batch: { type: 'string', default: '16,8,4,2,1' },
    plugin: { type: 'string' },
    mode: { type: 'string', default: 'pjrt' },
    steps: { type: 'string', default: '8' },
    precision: { type: 'string', default: 'bfloat16' },
    'chunk-tokens': { type: 'string', default: '2048' },
    rematerialize: { type: 'boolean', default: false },
    weights: { type: 'string', default: 'float32' },
    // Other numbers than the size's, to look at parts of a large step.
    layers: { type: 'string' },
    vocabulary: { type: 'string' },
    attention: { type: 'string' },
    // When the next step's batch goes to the device: while a step computes, as in training; between steps; or never, so
    // that all steps read one batch.
    upload: { type: 'string', default: 'ahead' },
  },
});

async function main() {
  const engine = await openEngine({ mode: options.mode, plugin: options.plugin, precision: options.precision });
  for (const batch of options.batch.split(',').map(Number)) {
    try {
      await measure(engine, batch);
      return;
    } catch (error) {
      if (error.code !== 'engine.out-of-memory') throw error;
      console.log(
        JSON.stringify({ kind: 'graft-train', size: options.size, batch, error: error.message.split('\n')[0] }),
      );
    }
  }
  process.exitCode = 1;
}

async function measure(engine, batchSize) {
  const { size, model } = makeModel(
    options.size,
    { rematerialize: options.rematerialize, attention: options.attention },
    {
      ...(options.layers && { layers: Number(options.layers) }),
      ...(options.vocabulary && { vocabulary: Number(options.vocabulary) }),
    },
  );
  const began = performance.now();
  const registry = new Registry();
  registry.register(objectives, 'device');
  registry.register(optimizers, 'device');
  const components = createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() });
  const chunkTokens = Number(options['chunk-tokens']);
  const objective = await components.create('objective', { use: 'seq2seq', chunkTokens });
  const optimizer = await components.create('optimizer', {
    use: 'adamw',
    learningRate: 1e-4,
    betas: [0.9, 0.95],
    clipNorm: 1,
    moments: options.weights,
  });
  let state = {};
  let parameters = drawParameters(engine, model, (drawn, name) => {
    Object.assign(state, optimizer.init({ [name]: drawn }));
    if (options.weights === 'float32' || drawn.rank !== 2) return drawn;
    const packed = packBfloat16(drawn);
    drawn.dispose();
    return packed;
  });
  await Object.values(state)[0].data();
  const initialSeconds = (performance.now() - began) / 1000;

  const fields = objective.prepare({ kind: 'batch', batch: examples(size, batchSize) }, { model });
  const upload = () => {
    const uploaded = uploadBatch(fields);
    engine.upload(uploaded);
    return uploaded;
  };
  let batch = upload();
  const step = makeTrainStep(engine, model, objective, optimizer, { donate: true });
  const losses = [];
  const times = [];
  let early;
  for (let i = 0; i < Number(options.steps) + 2; i++) {
    const inputs = { step: tf.scalar(i), learningRate: tf.scalar(1e-4), randomKey: random.key(i), batch };
    if (options.weights === 'bfloat16') inputs.roundingKey = random.key(1000 + i);
    const start = performance.now();
    const running = step.async({ parameters, state, ...inputs });
    if (options.upload === 'ahead') batch = upload();
    const outputs = await running;
    ({ parameters, state } = outputs);
    losses.push((await outputs.numbers.data())[0]);
    if (options.upload === 'between') {
      tf.dispose(batch);
      batch = upload();
    }
    times.push(performance.now() - start);
    const { batch: read, ...others } = inputs;
    tf.dispose([outputs.numbers, Object.values(others), options.upload === 'ahead' ? read : []]);
    // By then everything is compiled.
    if (i === 10) early = engine.memory();
  }
  report(engine, { size, model, batchSize, step, times, losses, initialSeconds, early });
}

/** Random tokens of both sides. */
function examples(size, rows) {
  const draw = createRandom(1);
  const ids = (length) => ({
    dtype: 'int32',
    shape: [rows, length],
    values: Int32Array.from({ length: rows * length }, () => 3 + draw.integer(size.vocabulary - 3)),
  });
  return { input_ids: ids(size.source), labels: ids(size.target) };
}

function report(engine, { size, model, batchSize, step, times, losses, initialSeconds, early }) {
  const steady = times.slice(2).sort((a, b) => a - b);
  const stepMs = steady[Math.floor(steady.length / 2)];
  const tflops = stepFlops(size, batchSize) / stepMs / 1e9;
  const peak = peakTflops(engine.description);
  const { peakBytesInUse } = engine.memory().device ?? {};
  console.log(
    JSON.stringify({
      kind: 'graft-train',
      device: engine.description,
      size: options.size,
      batch: batchSize,
      step_ms: stepMs,
      tokens_per_s: (batchSize * (size.source + size.target)) / (stepMs / 1000),
      tflops,
      mfu: peak && tflops / peak,
      peak_gib: peakBytesInUse && peakBytesInUse / 2 ** 30,
      precision: options.precision,
      weights: options.weights,
      upload: options.upload,
      rematerialize: options.rematerialize,
      parameters: model.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
      initial_s: initialSeconds,
      trace_s: step.statistics.traceMs / 1000,
      first_step_s: times[0] / 1000,
      operations: step.statistics.operations,
      losses: [losses[0], losses.at(-1)],
      ...(times.length < 50 && { all_ms: times }),
      // The same numbers if nothing is left behind by a step.
      ...(early && { memory_after_10: early, memory_at_end: engine.memory() }),
      host_gib: process.resourceUsage().maxRSS / 2 ** 20,
    }),
  );
}

void main();
