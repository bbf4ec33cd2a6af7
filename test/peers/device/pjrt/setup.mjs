// What facts.mjs and step.mjs share: options of the command line, lines of JSON, a client.
//   const { options, positionals } = commandLine({ steps: { type: 'string', default: '8' } });
//   --plugin FILE        the PJRT plugin
//   --preload FILE,...   libraries to open before it, in this order
//   --client JSON        options of the client, as {"memory_fraction": 0.94}
//   --xla JSON           options of every compilation, as {"xla_gpu_enable_triton_gemm": false}
//   --quiet              the plugin says nothing about what went well
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Client, Plugin, preload } from './pjrt.mjs';

export function commandLine(more = {}) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      plugin: { type: 'string' },
      preload: { type: 'string', default: '' },
      client: { type: 'string', default: '{}' },
      xla: { type: 'string', default: '{}' },
      quiet: { type: 'boolean', default: false },
      ...more,
    },
  });
  if (!values.plugin || positionals.length !== 1) throw new Error('wanted: one argument and --plugin FILE');
  // The plugin reads the variable when it is opened.
  if (values.quiet) process.env.TF_CPP_MIN_LOG_LEVEL = '2';
  const options = {
    ...values,
    client: JSON.parse(values.client),
    xla: JSON.parse(values.xla),
    preload: values.preload.split(',').filter(Boolean),
  };
  return { options, positional: positionals[0] };
}

export const say = (what, values = {}) => console.log(JSON.stringify({ what, ...values }));

/** The result, or a line with the error. */
export function attempt(what, action) {
  try {
    return action();
  } catch (error) {
    say(what, { error: error.message, code: error.code });
    return undefined;
  }
}

export function timed(action) {
  const began = performance.now();
  const result = action();
  return { result, ms: performance.now() - began };
}

const EVERY_PROCESS = /\/lib(c|m|dl|rt|pthread|util|stdc\+\+|gcc_s|z)[.-][^/]*$/;
let known = new Set();
/** The shared libraries that the process has mapped since the last question. */
export function newlyMapped() {
  const files = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/)[5])
    .filter((file) => file?.includes('.so') && !EVERY_PROCESS.test(file));
  const fresh = [...new Set(files)].filter((file) => !known.has(file));
  known = new Set([...known, ...fresh]);
  return fresh;
}

/** Loads what `options` name and says how long each took and what it mapped. */
export function open(options) {
  newlyMapped();
  if (options.preload.length > 0) {
    const { result, ms } = timed(() => preload(options.preload));
    say('preload', { ms, failed: result.filter(({ error }) => error), mapped: newlyMapped() });
  }
  const { result: plugin, ms: loadMs } = timed(() => new Plugin(options.plugin));
  say('load', { ms: loadMs, mapped: newlyMapped() });
  const { result: client, ms } = timed(() => new Client(plugin, options.client));
  say('client', { ms, options: options.client, mapped: newlyMapped() });
  return { plugin, client };
}

export const scalar = (client, value) => client.upload(Float32Array.of(value), 'f32', []);
