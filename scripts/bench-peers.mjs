// npm run bench:peers: Graft beside the peers on this machine, in turn; ends with the ratios of medians.
// The peers' packages (several GB) go into a virtual environment in Graft's cache, never into the repository.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.mjs';

const ROUNDS = 3;
const venv = process.env.GRAFT_PEERS_VENV ?? join(cacheFolder(), 'peers-venv');
const python = join(venv, 'bin', 'python');

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return JSON.parse(result.stdout.trim().split('\n').pop());
}

if (!existsSync(python)) {
  console.log(`Installing the peers into ${venv} …`);
  const made = spawnSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
  if (made.status !== 0) {
    console.error("Python's venv module is missing; on Debian, `apt-get install python3-venv` brings it.");
    process.exit(1);
  }
}
const has = (module) => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0;
const missing = ['jax', 'optax', 'torch', 'transformers', 'safetensors'].filter((module) => !has(module));
if (missing.length > 0) {
  const installed = spawnSync(python, ['-m', 'pip', 'install', '--quiet', ...missing], { stdio: 'inherit' });
  if (installed.status !== 0) process.exit(1);
}

const graft = (size, precision) =>
  run(process.execPath, ['test/bench/train-step.mjs', size, precision]).tokensPerSecond;
const jax = (size) =>
  run(python, ['test/peers/bench_jax.py', 'train', '--size', size, ...(size === 'tiny' ? ['--steps', '40'] : [])])
    .tokens_per_s;
const hf = (size, ...more) =>
  run(python, [
    'test/peers/bench_hf.py',
    'train',
    '--size',
    size,
    ...more,
    ...(size === 'tiny' ? ['--steps', '40'] : []),
  ]).tokens_per_s;

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const cases = [
  ['S-f32-jax', () => graft('S', 'float32'), () => jax('S')],
  ['S-bf16-hf', () => graft('S', 'bfloat16'), () => hf('S', '--dtype', 'bf16')],
  ['tiny-f32-jax', () => graft('tiny', 'float32'), () => jax('tiny')],
  ['S-f32-hf', () => graft('S', 'float32'), () => hf('S')],
  ['tiny-f32-hf', () => graft('tiny', 'float32'), () => hf('tiny')],
];
const ratios = [];
for (const [name, ours, theirs] of cases) {
  const own = [];
  const peer = [];
  // In turn, so that a machine whose speed drifts treats both alike.
  for (let round = 0; round < ROUNDS; round++) {
    own.push(ours());
    peer.push(theirs());
    console.log(
      `${name}, round ${round + 1}: graft ${own[round].toFixed(0)} tokens/s, peer ${peer[round].toFixed(0)} tokens/s`,
    );
  }
  ratios.push(`ratio ${name}: ${(median(own) / median(peer)).toFixed(2)}`);
}
console.log(ratios.join('\n'));
