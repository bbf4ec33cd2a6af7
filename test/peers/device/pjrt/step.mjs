// Compiles and runs a training step that lower.py wrote; lines of JSON.
//   node test/peers/device/pjrt/step.mjs NAME --plugin FILE [--preload FILE,...] [--client JSON] [--xla JSON]
//     [--steps 8] [--serialize] [--parameters] [--peak 989.4]
// NAME is lower.py's: NAME.json, NAME.init.mlir and NAME.step.mlir are read. --serialize saves and loads the executable
// between steps, --parameters reads every parameter, and --peak says the TFLOP/s that are an MFU of 1.
import { readFileSync } from 'node:fs';
import { median } from '../../../bench/statistics.mjs';
import { attempt, commandLine, open, say, timed } from './setup.mjs';

const { options, positional: name } = commandLine({
  steps: { type: 'string', default: '8' },
  serialize: { type: 'boolean', default: false },
  parameters: { type: 'boolean', default: false },
  peak: { type: 'string', default: '989.4' },
});
const WARM_UP = 2;
const steps = Number(options.steps);
const spec = JSON.parse(readFileSync(`${name}.json`, 'utf8'));
const { plugin, client } = open(options);

function compiled(what) {
  const code = readFileSync(`${name}.${what}.mlir`);
  const { result, ms } = timed(() => client.compile(code, options.xla));
  const memory = attempt('memory of the program', () => result.memory());
  say(`compile ${what}`, { ms, textBytes: code.length, memory });
  return result;
}

const init = compiled('init');
let program = compiled('step');
const values = init.run([]);
init.destroy();
let state = values.slice(0, spec.state.length);
const batch = values.slice(spec.state.length);

function lossOf(buffer) {
  const loss = client.read(buffer, 4).readFloatLE(0);
  client.destroyBuffer(buffer);
  return loss;
}

/** Starts a step, which takes the state's place; gives its loss, and the event of its end. */
function start() {
  const { outputs, event } = program.start([...state, ...batch]);
  state.forEach((buffer) => client.destroyBuffer(buffer));
  state = outputs.slice(0, -1);
  return { loss: outputs.at(-1), event };
}

function step() {
  const { loss, event } = start();
  plugin.wait(event);
  return lossOf(loss);
}

const repeated = (times) => Array.from({ length: times }, () => timed(step));
const rate = (ms) => {
  const tflops = spec.flops / ms / 1e9;
  return { tokensPerS: (spec.tokens / ms) * 1e3, tflops, mfu: tflops / Number(options.peak) };
};

const waited = repeated(steps + WARM_UP);
const began = performance.now();
const streamed = Array.from({ length: steps }, start);
const issuedMs = (performance.now() - began) / steps;
streamed.forEach(({ event }) => plugin.wait(event));
const streamedMs = (performance.now() - began) / steps;
const losses = [...waited.map(({ result }) => result), ...streamed.map(({ loss }) => lossOf(loss))];
const times = waited.slice(WARM_UP).map(({ ms }) => ms);
const ms = median(times);
const { size, batch: examples, weights, layers, rematerialize } = spec;
say('step', {
  size,
  batch: examples,
  weights,
  layers,
  rematerialize,
  xla: options.xla,
  client: options.client,
  ms,
  minMs: Math.min(...times),
  ...rate(ms),
  issuedMs,
  streamedMs,
  streamed: rate(streamedMs),
  losses: { first: losses[0], second: losses[1], last: losses.at(-1) },
  memory: attempt('memory', () => client.memory()),
});

if (options.serialize) {
  const { result: bytes, ms: serializeMs } = timed(() => program.serialize());
  const fingerprint = program.fingerprint();
  program.destroy();
  const { result: loaded, ms: loadMs } = timed(() => client.deserialize(bytes));
  program = loaded;
  const loss = step();
  const after = median(repeated(3).map((run) => run.ms));
  const memory = attempt('memory', () => client.memory());
  say('serialize', { bytes: bytes.length, serializeMs, loadMs, fingerprint, loss, ms: after, memory });
}

if (options.parameters) {
  // The state is the parameters, as many first and second moments, and the number of steps.
  const parameters = state.slice(0, (state.length - 1) / 3);
  const { result: bytes, ms: readMs } = timed(() =>
    parameters.reduce((sum, buffer) => {
      const length = client.size(buffer);
      client.read(buffer, length);
      return sum + length;
    }, 0),
  );
  say('read parameters', { gb: bytes / 1e9, s: readMs / 1e3 });
}
// The plugin's threads would keep the process.
process.exit(0);
