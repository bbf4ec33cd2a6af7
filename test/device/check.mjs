// Graft and its peers on one device, in stages, each with its own limit: a line of JSON for each result, and a table
// last. Stages that would begin too late are left out, so that a run that is cut short still reports the first ones.
//   node check.mjs [--seconds 480] [--stages golden,attention,...] [--plugin FILE] [--small]
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const peers = join(here, '..', 'peers', 'device');
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '480' },
    stages: { type: 'string' },
    plugin: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    // A rehearsal where there is no device: the smallest model, few tokens.
    small: { type: 'boolean', default: false },
  },
});

/** What of the peers' XLA is not tried out: see docs/pjrt.md. */
const XLA = JSON.stringify({ xla_gpu_enable_triton_gemm: false, xla_gpu_autotune_level: 0 });
const steps = ['--steps', '6'];
const node = (name, ...args) => [process.execPath, [join(here, `${name}.cjs`), ...args]];
const python = (name, ...args) => [options.python, [join(peers, `${name}.py`), ...args]];
const graft = (size, batch, ...more) => node('train', '--size', size, '--batch', batch, ...steps, ...more);
const torch = (size, batch, compile) =>
  python('train_torch', '--size', size, '--batch', batch, '--compile', compile, ...steps);
const jax = (size, batch, weights = 'float32') =>
  python(
    'train_jax',
    '--size',
    size,
    '--batch',
    batch,
    '--weights',
    weights,
    '--rematerialize',
    'on',
    '--xla',
    XLA,
    ...steps,
  );

/** By name, in order of importance: seconds that it may take, and its command. */
const STAGES = options.small
  ? {
      golden: [240, node('golden')],
      graft: [120, graft('tiny', '4,2')],
      steady: [120, node('train', '--size', 'tiny', '--batch', '4', '--steps', '200')],
      torch: [120, torch('tiny', '4', 'no')],
      jax: [120, jax('tiny', '4')],
      generate: [120, node('generate', '--size', 'tiny', '--batch', '1,4', '--source', '32', '--tokens', '8')],
    }
  : {
      golden: [90, node('golden')],
      attention: [40, node('attention')],
      steady: [60, node('train', '--size', 'tiny', '--batch', '4', '--steps', '2000')],
      'graft 2B': [110, graft('2B', '8,4,2')],
      'graft 2B bfloat16': [120, graft('2B', '12,10,8', '--weights', 'bfloat16')],
      'torch 2B': [100, torch('2B', '8,4', 'layers')],
      'jax 2B': [60, jax('2B', '8', 'bfloat16')],
      'graft S': [40, graft('S', '16,8')],
      // What uploading costs beside the step: see docs/performance.md.
      'graft S uploads between': [40, graft('S', '16,8', '--upload', 'between')],
      'graft S uploads never': [40, graft('S', '16,8', '--upload', 'never')],
      'torch S': [90, torch('S', '16,8', 'layers')],
      'jax S': [60, jax('S', '16')],
      'generate S': [60, node('generate', '--size', 'S')],
      'torch generate S': [60, python('generate_torch', '--size', 'S')],
      'graft L': [90, graft('L', '16,8', '--rematerialize')],
      'jax L': [60, jax('L', '16')],
      'torch L': [120, torch('L', '16,8', 'layers')],
      'graft B': [60, graft('B', '16,8')],
      'jax B': [60, jax('B', '16')],
      'torch B': [90, torch('B', '16,8', 'layers')],
      'graft XL': [90, graft('XL', '8,4', '--rematerialize')],
      'jax XL': [60, jax('XL', '8')],
      'torch XL': [120, torch('XL', '8,4', 'layers')],
      'torch eager 2B': [90, torch('2B', '8,4', 'no')],
      'torch eager S': [60, torch('S', '16,8', 'no')],
      'generate 2B': [90, node('generate', '--size', '2B', '--batch', '1,8')],
      'torch generate 2B': [90, python('generate_torch', '--size', '2B', '--batch', '1,8')],
    };

/** The plugin for CUDA of the Python that has jax, unless one is named. */
async function pluginFile() {
  const named = options.plugin ?? process.env.GRAFT_PJRT_PLUGIN;
  if (named) return named;
  const lines = await run([options.python, ['-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])']], 20);
  const file = join(lines.output.trim(), 'jax_plugins', 'xla_cuda13', 'xla_cuda_plugin.so');
  if (existsSync(file)) return file;
  throw new Error(`${options.python} has no PJRT plugin for CUDA 13 at ${file}; name one with --plugin.`);
}

/** Runs a command in a process group of its own, which is ended after that time. */
function run([command, args], seconds, onLine = () => undefined) {
  return new Promise((settle) => {
    const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors, rest] = ['', '', ''];
    child.stdout.on('data', (data) => {
      output += data;
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      lines.forEach(onLine);
    });
    child.stderr.on('data', (data) => (errors = (errors + data).slice(-2000)));
    const timer = setTimeout(() => {
      errors = `ended after ${Math.round(seconds)} s`;
      // Compilers start processes of their own.
      process.kill(-child.pid, 'SIGKILL');
    }, seconds * 1000);
    child.on('error', (error) => (errors = error.message));
    child.on('close', (code) => {
      clearTimeout(timer);
      settle({ code, output, errors: errors.trim() });
    });
  });
}

async function main() {
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  process.env.GRAFT_PJRT_PLUGIN = await pluginFile();
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  const names = options.stages?.split(',') ?? Object.keys(STAGES);
  const unknown = names.filter((name) => !Object.hasOwn(STAGES, name));
  if (unknown.length > 0)
    throw new Error(`There is no stage "${unknown[0]}"; there are ${Object.keys(STAGES).join(', ')}.`);
  const found = [];
  let failures = 0;
  for (const name of names) {
    const [limit, command] = STAGES[name];
    const left = Number(options.seconds) - elapsed();
    if (left < Math.min(20, limit / 2)) {
      console.log(JSON.stringify({ kind: 'left-out', stage: name }));
      continue;
    }
    const start = elapsed();
    const { code, errors } = await run(command, Math.min(limit, left), (line) => {
      if (!line.startsWith('{')) return;
      console.log(line);
      found.push({ stage: name, ...JSON.parse(line) });
    });
    const failed = code !== 0;
    if (failed) failures++;
    console.log(
      JSON.stringify({ kind: 'stage', stage: name, seconds: elapsed() - start, code, ...(failed && { errors }) }),
    );
  }
  console.log(table(found).join('\n'));
  if (failures > 0) process.exitCode = 1;
}

const cell = (value, digits) => (value === undefined || value === null ? '' : value.toFixed(digits));

/** How this run of Graft differs from the others. */
const formOf = ({ weights, upload }) =>
  `${weights === 'bfloat16' ? ', bf16' : ''}${upload === 'ahead' ? '' : `, ${upload}`}`;

function table(found) {
  const lines = [];
  for (const { kind, passed, failed } of found)
    if (kind === 'golden' && passed !== undefined)
      lines.push(`golden: ${passed} passed${failed.length > 0 ? `, FAILED: ${failed.join('; ')}` : ''}`);
  const kernels = found.filter(({ kind }) => kind === 'attention');
  if (kernels.length > 0)
    lines.push(`attention kernels: ${kernels.filter(({ ok }) => ok).length} of ${kernels.length} cases right`);
  const trained = found.filter(({ kind, step_ms }) => kind.endsWith('-train') && step_ms !== undefined);
  if (trained.length > 0) {
    lines.push('', 'size  who             batch   ms a step   tokens/s     MFU   peak GiB   first step s');
    for (const row of trained) {
      const form = row.compile === 'layers' ? ', compiled' : row.kind === 'graft-train' ? formOf(row) : '';
      const who = `${row.kind.replace('-train', '')}${form}`;
      const first = row.first_step_s ?? (row.lower_s ?? 0) + (row.compile_s ?? 0);
      lines.push(
        `${row.size.padEnd(5)} ${who.padEnd(15)} ${String(row.batch).padStart(5)} ${cell(row.step_ms, 1).padStart(11)} ${cell(row.tokens_per_s, 0).padStart(10)} ${cell(row.mfu && 100 * row.mfu, 1).padStart(5)} % ${cell(row.peak_gib, 1).padStart(10)} ${cell(first, 1).padStart(14)}`,
      );
    }
  }
  const generated = found.filter(({ kind, ms_per_token }) => kind.endsWith('-generate') && ms_per_token !== undefined);
  if (generated.length > 0) {
    lines.push('', 'size  who             batch   ms a token   tokens/s   first s');
    for (const row of generated)
      lines.push(
        `${row.size.padEnd(5)} ${row.kind.replace('-generate', '').padEnd(15)} ${String(row.batch).padStart(5)} ${cell(row.ms_per_token, 2).padStart(12)} ${cell(row.tokens_per_s, 0).padStart(10)} ${cell(row.first_s, 1).padStart(9)}`,
      );
  }
  return lines;
}

await main();
