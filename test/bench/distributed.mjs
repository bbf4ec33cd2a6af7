// Several processes on this machine: node test/bench/distributed.mjs sum | train SIZE [--mode M] [--steps N]
//   sum: seconds to sum 64 MiB of gradients over two workers, by the size of their buckets and of the tensors
//   train: a training step of the same batch in one process (1 thread, all threads) and in two (1 thread each)
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort, openEngine, tf } from '@graft/engine';
import { createComponentFactory, createRandom, Registry, silentLogger, Stepper, workersOf } from '@graft/core';
import { plugin as objectives } from '@graft/objectives';
import { plugin as optimizers } from '@graft/optimizers';
import { makeModel } from './model.mjs';
import { median } from './statistics.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    mode: { type: 'string', default: 'xla' },
    steps: { type: 'string' },
    // Of the processes that this one starts:
    workers: { type: 'string' },
    rank: { type: 'string' },
    threads: { type: 'string', default: '1' },
    bucket: { type: 'string' },
    transport: { type: 'string' },
    tensor: { type: 'string' },
  },
});
const [what, sizeName = 'tiny'] = positionals;
const MIB = 1 << 20;
const SUMMED = 64 * MIB;

if (values.rank !== undefined) await work();
else if (what === 'sum') await benchSums();
else await benchTraining();

async function start(count, ...more) {
  const workers = [];
  for (let i = 0; i < count; i++) workers.push(`127.0.0.1:${await freePort('127.0.0.1')}`);
  const secret = randomBytes(32).toString('hex');
  const outputs = workers.map((_, rank) => {
    const place = ['--workers', workers.join(','), '--rank', String(rank)];
    const args = [
      fileURLToPath(import.meta.url),
      ...positionals,
      '--mode',
      values.mode,
      '--transport',
      values.transport ?? 'memory',
      ...place,
      ...more,
    ];
    if (values.steps !== undefined) args.push('--steps', values.steps);
    const env = { ...process.env, BENCH_SECRET: secret };
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
  console.log('64 MiB of float32 summed over two workers');
  for (const [tensor, bucket] of [
    [0.0625, 0.0625],
    [0.0625, 1],
    [0.0625, 4],
    [0.0625, 16],
    [0.0625, 64],
    [4, 4],
    [16, 16],
    [64, 64],
  ]) {
    const { milliseconds } = await start(2, '--tensor', String(tensor), '--bucket', String(bucket));
    const rate = SUMMED / 2 ** 30 / (milliseconds / 1000);
    console.log(
      `  tensors of ${String(tensor).padStart(6)} MiB, buckets of ${String(bucket).padStart(6)} MiB: ` +
        `${milliseconds.toFixed(0).padStart(5)} ms, ${rate.toFixed(2)} GiB/s`,
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
    console.log(
      `${sizeName} (${values.mode}), ${processes} x ${threads} threads: median ${r.milliseconds.toFixed(1)} ms a step` +
        (processes > 1 ? `, of these ${r.summing.toFixed(1)} ms summing ${(r.bytes / MIB).toFixed(0)} MiB` : '') +
        `, last loss ${r.loss.toFixed(5)}`,
    );
  }
}

async function work() {
  const workers = values.workers.split(',');
  const engine = await openEngine({ mode: values.mode, threads: Number(values.threads) });
  const bucketBytes = values.bucket === undefined ? undefined : Number(values.bucket) * MIB;
  const place = { workers, rank: Number(values.rank), secret: process.env.BENCH_SECRET };
  const transport = values.transport === 'grpc' ? { insecureNetwork: true } : { local: true };
  const group = workers.length > 1 ? await engine.collectives.join({ ...place, ...transport, bucketBytes }) : undefined;
  console.log(JSON.stringify(what === 'sum' ? await sums(group) : await train(engine, group)));
  await group?.leave();
}

async function sums(group) {
  const elements = (Number(values.tensor) * MIB) / 4;
  const count = SUMMED / 4 / elements;
  const times = [];
  for (let i = 0; i < 8; i++) {
    const tensors = Array.from({ length: count }, () => tf.ones([elements]));
    await group.exchange(i);
    const began = performance.now();
    tf.dispose(await group.sum(tensors));
    if (i > 2) times.push(performance.now() - began);
  }
  return { milliseconds: median(times) };
}

async function train(engine, group) {
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
  const own = group && workersOf(group);
  const timed = own && {
    ...own,
    reduce: async (sums) => {
      const began = performance.now();
      const result = await own.reduce(sums);
      summing = performance.now() - began;
      return result;
    },
  };
  const steps = Number(values.steps ?? (sizeName === 'S' ? 6 : 60)) + 2;
  const settings = { steps, precision: 'float32' };
  const schedule = { factor: () => 1 };
  const stepper = new Stepper(engine, model, objective, optimizer, schedule, createRandom(2), settings, timed);
  const start = group ? await group.broadcast(Object.values(parameters), 0) : Object.values(parameters);
  let state = {
    parameters: Object.fromEntries(Object.keys(parameters).map((name, i) => [name, start[i]])),
    average: {},
  };
  state.state = optimizer.init(state.parameters);
  const times = [];
  const sumTimes = [];
  let loss;
  for (let i = 0; i < steps; i++) {
    const began = performance.now();
    const { after, values: numbers } = await stepper.run(state, i, fields, () => undefined);
    await group?.exchange(false);
    state = after;
    loss = numbers.loss;
    if (i < 2) continue;
    times.push(performance.now() - began);
    sumTimes.push(summing);
  }
  const bytes = 4 * model.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return { milliseconds: median(times), summing: median(sumTimes), bytes, loss };
}
