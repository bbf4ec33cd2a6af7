// Several processes on this machine: node test/bench/distributed.mjs sum | train SIZE [--mode M] [--steps N]
//   sum: time to sum 64 MiB of gradients over two workers, by the size of the tensors and of what travels together
//   train: a training step of the same batch in one process (1 thread, all threads) and in two (1 thread each)
// The same two processes sum through shared memory and over TensorFlow's gRPC in turn; the ratio is that of the medians.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openEngine, tf } from '@graft/engine';
import { freeAddresses } from '@graft/engine/internal';
import { createComponentFactory, createRandom, Registry, silentLogger } from '@graft/core';
import { Stepper, WorkerPlacement } from '@graft/core/internal';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { makeModel } from './model.mjs';
import { median } from './statistics.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    mode: { type: 'string', default: 'xla' },
    steps: { type: 'string' },
    rounds: { type: 'string', default: '15' },
    // Of the processes that this one starts:
    memory: { type: 'string' },
    grpc: { type: 'string' },
    rank: { type: 'string' },
    threads: { type: 'string', default: '1' },
    bucket: { type: 'string' },
    tensor: { type: 'string' },
  },
});
const [what, sizeName = 'tiny'] = positionals;
const MIB = 1 << 20;
const SUMMED = 64 * MIB;
const TRANSPORTS = ['memory', 'grpc'];

if (values.rank !== undefined) await work();
else if (what === 'sum') await benchSums();
else await benchTraining();

async function addresses(count) {
  return (await freeAddresses(count)).join(',');
}

async function start(count, ...more) {
  const lists = [];
  for (const transport of TRANSPORTS) lists.push(`--${transport}`, await addresses(count));
  const env = { ...process.env, BENCH_SECRET: randomBytes(32).toString('hex'), TF_CPP_MIN_LOG_LEVEL: '3' };
  const outputs = Array.from({ length: count }, (_, rank) => {
    const own = ['--mode', values.mode, '--rounds', values.rounds, ...lists, '--rank', String(rank), ...more];
    if (values.steps !== undefined) own.push('--steps', values.steps);
    const args = [fileURLToPath(import.meta.url), ...positionals, ...own];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (part) => (text += part));
    return new Promise((resolve, reject) =>
      child.on('close', (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`status ${code}`)))),
    );
  });
  return (await Promise.all(outputs))[0];
}

async function benchSums() {
  console.log('64 MiB of float32 summed over two workers: shared memory beside gRPC');
  for (const [tensor, bucket] of [[64], [16], [4], [0.0625], ...[0.0625, 0.25, 1, 4, 16].map((b) => [0.0625, b])]) {
    const size = bucket === undefined ? [] : ['--bucket', String(bucket)];
    const { memory, grpc } = await start(2, '--tensor', String(tensor), ...size);
    const shown = ({ milliseconds, processor }) =>
      `${milliseconds.toFixed(0).padStart(5)} ms (${(SUMMED / 2 ** 30 / (milliseconds / 1000)).toFixed(2)} GiB/s, ` +
      `${processor.toFixed(0)} ms of processor time)`;
    console.log(
      `  tensors of ${String(tensor).padStart(6)} MiB, ${bucket === undefined ? 'default buckets' : `buckets of ${bucket} MiB`}: ` +
        `${shown(memory)}, ${shown(grpc)}, ratio ${(memory.milliseconds / grpc.milliseconds).toFixed(2)}`,
    );
  }
}

async function benchTraining() {
  const cores = availableParallelism();
  for (const [processes, threads] of [
    [1, 1],
    [1, cores],
    [2, Math.max(1, cores >> 1)],
  ]) {
    const r = await start(processes, '--threads', String(threads));
    const name = `${sizeName} (${values.mode}), ${processes} x ${threads} threads`;
    if (processes === 1) {
      console.log(`${name}: median ${r.memory.step.toFixed(1)} ms a step, last loss ${r.loss.toFixed(5)}`);
      continue;
    }
    for (const transport of TRANSPORTS)
      console.log(
        `${name}, ${transport}: median ${r[transport].step.toFixed(1)} ms a step, of these ` +
          `${r[transport].sum.toFixed(1)} ms summing ${(r.bytes / MIB).toFixed(0)} MiB, last loss ${r.loss.toFixed(5)}`,
      );
    const ratio = (key) => (r.memory[key] / r.grpc[key]).toFixed(2);
    console.log(`  memory to grpc: steps ${ratio('step')}, sums ${ratio('sum')}`);
  }
}

async function work() {
  const engine = await openEngine({ mode: values.mode, threads: Number(values.threads) });
  const bucketBytes = values.bucket === undefined ? undefined : Number(values.bucket) * MIB;
  const rank = Number(values.rank);
  const groups = {};
  if (values.grpc.includes(',')) {
    const join = (transport, options) => {
      const workers = values[transport].split(',');
      return engine.collectives.join({ workers, rank, secret: process.env.BENCH_SECRET, bucketBytes, ...options });
    };
    // It must be joined before there are tensors.
    groups.grpc = await join('grpc', { insecureNetwork: true });
    groups.memory = await join('memory', { local: true });
  }
  console.log(JSON.stringify(what === 'sum' ? await sums(groups) : await train(engine, groups)));
  for (const group of Object.values(groups)) await group.leave();
}

async function sums(groups) {
  const elements = (Number(values.tensor) * MIB) / 4;
  const count = SUMMED / 4 / elements;
  const times = { memory: [], grpc: [] };
  const processor = { memory: [], grpc: [] };
  const WARM = 2;
  for (let i = 0; i < WARM + Number(values.rounds); i++) {
    for (const transport of TRANSPORTS) {
      const tensors = Array.from({ length: count }, () => tf.ones([elements]));
      await groups.memory.exchange(i);
      const before = process.cpuUsage();
      const began = performance.now();
      const results = await groups[transport].sum(tensors);
      const took = performance.now() - began;
      const { user, system } = process.cpuUsage(before);
      tf.dispose(results);
      if (i < WARM) continue;
      times[transport].push(took);
      processor[transport].push((user + system) / 1000);
    }
  }
  return Object.fromEntries(
    TRANSPORTS.map((name) => [name, { milliseconds: median(times[name]), processor: median(processor[name]) }]),
  );
}

async function train(engine, groups) {
  const { size, model, parameters } = makeModel(sizeName);
  const registry = new Registry();
  registry.register(objectives, 'benchmark');
  registry.register(optimizers, 'benchmark');
  const components = createComponentFactory(registry, { engine, random: createRandom(0), logger: silentLogger() });
  const objective = await components.create('objective', { use: 'seq2seq' });
  const optimizer = await components.create('optimizer', { use: 'adamw', learningRate: 1e-3, clipNorm: 1 });
  // Every worker makes the same batch, and takes its part of it.
  const random = createRandom(1);
  const ids = (length) => ({
    dtype: 'int32',
    shape: [size.batch, length],
    values: Int32Array.from({ length: size.batch * length }, () => 3 + random.integer(size.vocabulary - 3)),
  });
  const source = { kind: 'batch', batch: { input_ids: ids(size.source), labels: ids(size.target) } };
  const fields = objective.prepare(source, { model });
  let summing = 0;
  let transport = TRANSPORTS[0];
  const group = groups.memory;
  const ways = Object.fromEntries(
    Object.entries(groups).map(([name, one]) => [
      name,
      new WorkerPlacement({ group: one, model, keepsAverage: false }),
    ]),
  );
  const reduce = async (sums) => {
    const began = performance.now();
    const result = await ways[transport].reduce(sums);
    summing = performance.now() - began;
    return result;
  };
  const timed = group && Object.create(ways.memory, { reduce: { value: reduce } });
  const steps = Number(values.steps ?? (sizeName === 'S' ? 6 : 60)) + 2;
  const settings = { steps, precision: 'float32' };
  const schedule = { factor: () => 1 };
  const stepper = new Stepper(
    { engine, model, objective, optimizer, schedule, random: createRandom(2), placement: timed },
    settings,
  );
  const start = group ? await group.broadcast(Object.values(parameters), 0) : Object.values(parameters);
  let state = {
    parameters: Object.fromEntries(Object.keys(parameters).map((name, i) => [name, start[i]])),
    average: {},
  };
  state.state = optimizer.init(state.parameters);
  const times = { memory: [], grpc: [] };
  const sumTimes = { memory: [], grpc: [] };
  let loss;
  for (let i = 0; i < steps; i++) {
    transport = group ? TRANSPORTS[i % 2] : 'memory';
    const began = performance.now();
    const { after, values: numbers } = await stepper.run(state, i, fields, () => undefined);
    await group?.exchange(false);
    state = after;
    loss = numbers.loss;
    if (i < 2) continue;
    times[transport].push(performance.now() - began);
    sumTimes[transport].push(summing);
  }
  const bytes = 4 * model.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const medians = Object.fromEntries(
    TRANSPORTS.map((name) => [name, { step: median(times[name]), sum: median(sumTimes[name]) }]),
  );
  return { ...medians, bytes, loss };
}
