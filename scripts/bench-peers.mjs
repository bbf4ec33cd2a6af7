// npm run bench:peers: Graft beside the peers on this machine, in turn; ends with the ratios of medians.
// npm run bench:peers -- generate: only the cases whose names hold one of these words.
// The peers' packages (several GB) go into a virtual environment in Graft's cache, never into the repository.
import { spawnSync } from 'node:child_process';
import { installPeers } from './peers.mjs';

const { python } = installPeers(['jax', 'optax', 'torch', 'transformers', 'safetensors']);

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return JSON.parse(result.stdout.trim().split('\n').pop());
}

const steps = (size) => ['--steps', size === 'tiny' ? '40' : '5'];
const graft = (size, precision) =>
  run(process.execPath, ['test/bench/train-step.mjs', size, precision, ...steps(size)]).tokensPerSecond;
const peer = (script, size, ...more) =>
  run(python, [`test/peers/${script}.py`, 'train', '--size', size, ...steps(size), ...more]).tokens_per_s;
/** 64 greedy tokens behind sources of 256. */
const graftGeneration = (batch, dtype) =>
  run(process.execPath, ['test/bench/generate.mjs', 'S', String(batch), '--dtype', dtype]).tokensPerSecond;
const peerGeneration = (batch) =>
  run(python, ['test/peers/bench_hf.py', 'generate', '--batch', String(batch)]).tokens_per_s;
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

// Each group is measured back to back, so that a machine whose speed drifts treats its members alike.
const wanted = process.argv.slice(2);
const groups = [
  [
    ['graft S-f32', () => graft('S', 'float32')],
    ['jax S-f32', () => peer('bench_jax', 'S')],
    ['hf S-f32', () => peer('bench_hf', 'S')],
  ],
  [
    ['graft S-bf16', () => graft('S', 'bfloat16')],
    ['hf S-bf16', () => peer('bench_hf', 'S', '--dtype', 'bf16')],
  ],
  [
    ['graft tiny-f32', () => graft('tiny', 'float32')],
    ['jax tiny-f32', () => peer('bench_jax', 'tiny')],
    ['hf tiny-f32', () => peer('bench_hf', 'tiny')],
  ],
  ...[1, 8].map((batch) => [
    [`graft generate-${batch}`, () => graftGeneration(batch, 'float32')],
    [`graft generate-${batch}-bf16`, () => graftGeneration(batch, 'bfloat16')],
    [`hf generate-${batch}`, () => peerGeneration(batch)],
  ]),
];
const ROUNDS = 3;
const LAST_START_MINUTES = 12;
const began = Date.now();
const measured = {};
for (let round = 1; round <= ROUNDS; round++) {
  if (round > 1 && Date.now() - began > LAST_START_MINUTES * 60_000) break;
  for (const [name, measure] of groups.flat()) {
    if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) continue;
    const tokensPerSecond = measure();
    (measured[name] ??= []).push(tokensPerSecond);
    console.log(`round ${round}: ${name} ${tokensPerSecond.toFixed(0)} tokens/s`);
  }
}
for (const [what, who, peers = what] of [
  ['S-f32', 'jax'],
  ['S-bf16', 'hf'],
  ['tiny-f32', 'jax'],
  ['S-f32', 'hf'],
  ['tiny-f32', 'hf'],
  ...[1, 8].flatMap((batch) => [
    [`generate-${batch}`, 'hf'],
    [`generate-${batch}-bf16`, 'hf', `generate-${batch}`],
  ]),
]) {
  if (!measured[`graft ${what}`]) continue;
  console.log(
    `ratio ${what}-${who}: ${(median(measured[`graft ${what}`]) / median(measured[`${who} ${peers}`])).toFixed(2)}`,
  );
}
