// The stages of facts.mjs that measure rates.
//   node --expose-gc test/peers/device/pjrt/facts.mjs rates|transfers|overlap --plugin FILE [...]
import { median } from '../../../bench/statistics.mjs';
import { SEMANTICS } from './pjrt.mjs';
import { counted, product, sum, waves } from './programs.mjs';
import { attempt, say, scalar, timed } from './setup.mjs';
import { allocatePages, free, view } from './structs.mjs';

const MIB = 2 ** 20;

/** Starts a program some times, with the same arguments, and waits for all. */
function repeat(client, program, args, times) {
  const runs = Array.from({ length: times }, () => program.start(args));
  return () =>
    runs.forEach(({ outputs, event }) => {
      client.plugin.wait(event);
      outputs.forEach((output) => client.destroyBuffer(output));
    });
}

/** A donated sum in a chain: each run takes the result of the one before. */
function chain(client, n, { xla }) {
  const program = client.compile(sum(n, { donated: true }), xla);
  const fill = client.compile(counted(n), xla);
  const [one] = fill.run([]);
  let [total] = fill.run([]);
  const next = (output) => {
    client.destroyBuffer(total);
    total = output;
  };
  return {
    run: () => next(program.run([total, one])[0]),
    start() {
      const { outputs, event } = program.start([total, one]);
      next(outputs[0]);
      return event;
    },
    /** The second number of the vector, which is the number of runs and one. */
    value: () => client.read(total, n * 4).readFloatLE(4),
  };
}

function dispatch(client, options) {
  const times = 500;
  for (const n of [16, options.small ? 1024 : 2 ** 20]) {
    const steps = chain(client, n, options);
    for (let i = 0; i < 50; i++) steps.run();
    const waited = timed(() => {
      for (let i = 0; i < times; i++) steps.run();
    });
    const began = performance.now();
    const events = Array.from({ length: times }, () => steps.start());
    const issuedMs = performance.now() - began;
    events.forEach((event) => client.plugin.wait(event));
    const streamedMs = performance.now() - began;
    const us = (ms) => (ms / times) * 1e3;
    say('dispatch', {
      n,
      waitedUs: us(waited.ms),
      issuedUs: us(issuedMs),
      streamedUs: us(streamedMs),
      value: steps.value(),
    });
  }
  const number = scalar(client, 1);
  const read = timed(() => {
    for (let i = 0; i < 200; i++) client.read(number, 4);
  });
  const upload = timed(() => {
    for (let i = 0; i < 200; i++) client.destroyBuffer(scalar(client, 1));
  });
  say('one number', { readUs: read.ms * 5, uploadUs: upload.ms * 5 });
}

function pairOf(client, n, type, { xla }) {
  const fill = client.compile(waves(n, type), xla);
  return [1, 2].map((start) => fill.run([scalar(client, start)])[0]);
}

function products(client, options) {
  const sizes = options.small
    ? [[256, 'f32']]
    : [
        [8192, 'bf16'],
        [4096, 'bf16'],
        [8192, 'f32'],
      ];
  for (const [n, type] of sizes) {
    const { result: program, ms: compileMs } = timed(() => client.compile(product(n, type), options.xla));
    const args = pairOf(client, n, type, options);
    repeat(client, program, args, 3)();
    const rate = () => (2 * n ** 3 * 20) / timed(() => repeat(client, program, args, 20)()).ms / 1e9;
    const tflops = Array.from({ length: 5 }, rate);
    say('product', { n, type, compileMs, tflops: median(tflops), best: Math.max(...tflops) });
    args.forEach((buffer) => client.destroyBuffer(buffer));
  }
}

/** A donated sum reads two vectors and writes one. */
function memoryRate(client, options) {
  const n = options.small ? 2 ** 16 : 2 ** 28;
  const steps = chain(client, n, options);
  const go = (times) =>
    Array.from({ length: times }, () => steps.start()).forEach((event) => client.plugin.wait(event));
  go(3);
  say('device memory', { gb: (n * 12) / 1e9, tbPerS: (n * 12 * 20) / timed(() => go(20)).ms / 1e9 });
}

function soak(client, options) {
  globalThis.gc?.();
  const steps = chain(client, options.small ? 1024 : 2 ** 20, options);
  const series = [];
  for (let i = 0; i <= 2000; i++) {
    if (i % 500 === 0) {
      const memory = attempt('memory', () => client.memory());
      const rssMib = process.memoryUsage().rss / MIB;
      series.push({ step: i, bytes: memory?.bytes_in_use, allocations: memory?.num_allocs, rssMib });
    }
    steps.run();
  }
  say('2,000 runs', { series, value: steps.value() });
}

export function rates({ client }, options) {
  dispatch(client, options);
  products(client, options);
  memoryRate(client, options);
  soak(client, options);
}

function filledPages(bytes) {
  const pointer = allocatePages(bytes);
  view(pointer, bytes).fill(1);
  return pointer;
}

const upload = (client, pointer, bytes, semantics = SEMANTICS.untilTransferCompletes) =>
  client.uploadFrom(pointer, 'u8', [bytes], semantics);
function arrive(client, { buffer, done }) {
  client.ready(buffer);
  client.plugin.wait(done);
}

/** GB a second and the call's own milliseconds of `copy`, which takes `called`; the first try does not count. */
function copies(bytes, copy) {
  const [rate, calls] = [[], []];
  for (let i = 0; i < 6; i++) {
    const began = performance.now();
    let callMs;
    const clean = copy(() => (callMs = performance.now() - began));
    if (i > 0) {
      rate.push(bytes / (performance.now() - began) / 1e6);
      calls.push(callMs);
    }
    clean?.();
  }
  return { gbPerS: median(rate), best: Math.max(...rate), callMs: median(calls) };
}

export function transfers({ client }, options) {
  for (const mib of options.small ? [1, 4] : [1, 16, 256, 1024]) {
    const bytes = mib * MIB;
    const pointer = filledPages(bytes);
    for (const pinned of [false, true]) {
      if (pinned) {
        const { ms } = timed(() => attempt('pin', () => client.pin(pointer, bytes)));
        say('pin', { mib, ms });
      }
      for (const semantics of ['untilTransferCompletes', 'zeroCopy']) {
        const measured = copies(bytes, (called) => {
          const { buffer, done } = upload(client, pointer, bytes, SEMANTICS[semantics]);
          called();
          client.ready(buffer);
          return () => {
            client.destroyBuffer(buffer);
            client.plugin.wait(done);
          };
        });
        say('to device', { mib, pinned, semantics, ...measured });
      }
      const there = upload(client, pointer, bytes);
      arrive(client, there);
      const measured = copies(bytes, (called) => {
        const event = client.readInto(there.buffer, pointer, bytes);
        called();
        client.plugin.wait(event);
      });
      say('to host', { mib, pinned, ...measured });
      client.destroyBuffer(there.buffer);
      if (pinned) attempt('unpin', () => client.unpin(pointer));
    }
    free(pointer);
  }
}

export function overlap({ client }, options) {
  const [n, type, bytes] = options.small ? [256, 'f32', MIB] : [8192, 'bf16', 256 * MIB];
  const program = client.compile(product(n, type), options.xla);
  const args = pairOf(client, n, type, options);
  const [from, to] = [filledPages(bytes), filledPages(bytes)];
  [from, to].forEach((pointer) => attempt('pin', () => client.pin(pointer, bytes)));
  const computing = () => repeat(client, program, args, 20);
  const four = (action) => [0, 1, 2, 3].map(action);
  const uploads = () => four(() => upload(client, from, bytes));
  const finish = (all) =>
    all.forEach((one) => {
      arrive(client, one);
      client.destroyBuffer(one.buffer);
    });
  computing()();
  finish(uploads());
  const computeMs = timed(() => computing()()).ms;
  const copyMs = timed(() => finish(uploads())).ms;
  const both = (first, second, end) => {
    const began = performance.now();
    const started = [first(), second()];
    const issuedMs = performance.now() - began;
    const copiedMs = end(...started) - began;
    return { computeMs, copyMs, issuedMs, copiedMs, bothMs: performance.now() - began };
  };
  const ended = (copied, computed) => {
    copied();
    const at = performance.now();
    computed();
    return at;
  };
  const after = both(computing, uploads, (computed, all) => ended(() => finish(all), computed));
  say('uploads after products', after);
  const before = both(uploads, computing, (all, computed) => ended(() => finish(all), computed));
  say('uploads before products', before);
  const held = upload(client, from, bytes);
  arrive(client, held);
  const reads = () => four(() => client.readInto(held.buffer, to, bytes));
  const read = both(computing, reads, (computed, events) =>
    ended(() => events.forEach((event) => client.plugin.wait(event)), computed),
  );
  say('reads after products', read);
}
