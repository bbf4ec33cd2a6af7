// npm run bench:peers: Graft beside the peers on this machine, in turn; ends with the ratios of medians, and with the
// share of what products at the processor's own rate, measured in the same rounds, would allow.
// npm run bench:peers -- generate: only the rows whose names hold one of these words.
// The peers of training: a compact JAX model, and the published PyTorch model, as it is and compiled by torch.compile;
// those of generation: the published one, as it is and with a compiled decoder over a static cache.
// The peers' packages (several GB) go into a virtual environment in Graft's cache, never into the repository.
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { installPeers } from './peers.mjs';

const { python } = installPeers(['jax', 'optax', 'torch', 'transformers', 'safetensors']);

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return JSON.parse(result.stdout.trim().split('\n').pop());
}

const steps = (size) => ['--steps', size === 'tiny' ? '40' : '5'];
const graft = (size, precision) => () =>
  run(process.execPath, ['test/bench/train-step.mjs', size, precision, ...steps(size)]).tokensPerSecond;
const jax =
  (size, ...more) =>
  () =>
    run(python, ['test/peers/bench_jax.py', 'train', '--size', size, ...steps(size), ...more]).tokens_per_s;
const torch =
  (size, ...more) =>
  () =>
    run(python, ['test/peers/bench_hf.py', 'train', '--size', size, ...steps(size), ...more]).tokens_per_s;
/** 64 greedy tokens behind sources of 256. */
const graftGenerates = (batch, dtype) => () =>
  run(process.execPath, ['test/bench/generate.mjs', 'S', batch, '--dtype', dtype]).tokensPerSecond;
const torchGenerates =
  (batch, ...more) =>
  () =>
    run(python, ['test/peers/bench_hf.py', 'generate', '--batch', batch, ...more]).tokens_per_s;
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

const BFLOAT16 = ['--dtype', 'bf16'];
/** A step of S is about 450 GFLOP of products, of 2,048 tokens. */
const S_STEP = { gigaflops: 450, tokens: 2048 };
/** Each row is measured back to back, so that a machine whose speed drifts treats its members alike. */
const rows = {
  'S float32': {
    bound: 'float32',
    graft: graft('S', 'float32'),
    peers: { JAX: jax('S'), PyTorch: torch('S'), 'PyTorch, compiled': torch('S', '--compile') },
  },
  'S bfloat16': {
    bound: 'bfloat16',
    graft: graft('S', 'bfloat16'),
    peers: {
      'PyTorch, autocast': torch('S', ...BFLOAT16),
      'PyTorch, compiled, autocast': torch('S', ...BFLOAT16, '--compile'),
    },
  },
  // So small a model gains nothing from bfloat16 in Graft; a peer that does is a peer of float32 too.
  tiny: {
    graft: graft('tiny', 'float32'),
    peers: {
      JAX: jax('tiny'),
      PyTorch: torch('tiny'),
      'PyTorch, compiled': torch('tiny', '--compile'),
      'PyTorch, compiled, autocast': torch('tiny', ...BFLOAT16, '--compile'),
    },
  },
  ...Object.fromEntries(
    ['1', '8'].flatMap((batch) => [
      [
        `generate ${batch} float32`,
        {
          graft: graftGenerates(batch, 'float32'),
          peers: { PyTorch: torchGenerates(batch), 'PyTorch, compiled': torchGenerates(batch, '--compile') },
        },
      ],
      [
        `generate ${batch} bfloat16`,
        {
          graft: graftGenerates(batch, 'bfloat16'),
          peers: {
            PyTorch: torchGenerates(batch, ...BFLOAT16),
            'PyTorch, compiled': torchGenerates(batch, ...BFLOAT16, '--compile'),
          },
        },
      ],
    ]),
  ),
};
const wanted = process.argv.slice(2);
const chosen = Object.entries(rows).filter(
  ([name]) => wanted.length === 0 || wanted.some((word) => name.includes(word)),
);
if (chosen.length === 0) {
  console.error(`No row has one of these words: ${wanted.join(', ')}. The rows are ${Object.keys(rows).join(', ')}.`);
  process.exit(2);
}

/** GFLOP/s of products of 2,048 in each precision, the best that any of Graft's executors gets: [precision, rate]. */
function productRates() {
  const { stdout } = spawnSync(process.execPath, ['test/bench/engine.mjs', '--products'], { encoding: 'utf8' });
  const rates = {};
  for (const [, precision, rate] of stdout.matchAll(/matmul \d+ (\w+) .*: (\d+) GFLOP/g))
    rates[precision] = Math.max(rates[precision] ?? 0, Number(rate));
  return rates;
}

const ROUNDS = 3;
const LAST_START_MINUTES = 20;
const began = Date.now();
const measured = {};
const note = (row, who, value) => ((measured[row] ??= {})[who] ??= []).push(value);
console.log(`${cpus()[0].model.trim()}, ${cpus().length} cores`);
for (let round = 1; round <= ROUNDS; round++) {
  if (round > 1 && Date.now() - began > LAST_START_MINUTES * 60_000) break;
  for (const [name, { bound, graft: own, peers }] of chosen) {
    for (const [who, measure] of Object.entries({ Graft: own, ...peers })) {
      const tokensPerSecond = measure();
      note(name, who, tokensPerSecond);
      console.log(`round ${round}: ${name}, ${who}: ${tokensPerSecond.toFixed(0)} tokens/s`);
    }
    if (bound === undefined) continue;
    const rate = productRates()[bound];
    note(name, 'bound', (rate / S_STEP.gigaflops) * S_STEP.tokens);
    console.log(`round ${round}: products of 2,048 in ${bound}: ${rate} GFLOP/s`);
  }
}

console.log('\nmedians, tokens per second');
for (const [name, { bound }] of chosen) {
  const medians = Object.entries(measured[name]).map(([who, values]) => [who, median(values)]);
  const own = median(measured[name].Graft);
  const peers = medians.filter(([who]) => who !== 'Graft' && who !== 'bound');
  const [best, most] = peers.reduce((a, b) => (b[1] > a[1] ? b : a));
  console.log(`${name}: Graft ${own.toFixed(0)}`);
  for (const [who, value] of peers) console.log(`  ratio to ${who} (${value.toFixed(0)}): ${(own / value).toFixed(2)}`);
  console.log(`  ratio to the best peer (${best}): ${(own / most).toFixed(2)}`);
  if (bound !== undefined)
    console.log(
      `  share of the bound (${median(measured[name].bound).toFixed(0)}): ${((100 * own) / median(measured[name].bound)).toFixed(0)} %`,
    );
}
