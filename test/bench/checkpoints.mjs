// What digests cost a checkpoint: node test/bench/checkpoints.mjs [--size S] [--rounds N] [--folder DIR]
//     [--only save|load|resume]
//   save: parameters, their average and AdamW's state from the engine to the disk, synced
//   load: the same from the disk into the engine; from the disk itself, and from the system's cache, where nothing waits
//   resume: `graft run --resume`, from the start of the process until its first step is done
// Each with digests and without, alternately.
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as zlib from 'node:zlib';
import { saveSnapshot } from '@graft/checkpoint/internal';
import { openEngine, tf } from '@graft/engine';
import { readPieces } from '@graft/engine/internal';
import { readAverage, readParameters, scatterTensors } from '../../packages/core/dist/run/snapshots.js';
import { makeModel } from './model.mjs';
import { median } from './statistics.mjs';

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'S' },
    rounds: { type: 'string', default: '7' },
    folder: { type: 'string', default: tmpdir() },
    only: { type: 'string' },
    // Of the processes that this one starts: the config of a run to begin or to resume.
    run: { type: 'string' },
    resume: { type: 'boolean', default: false },
  },
});

if (values.run !== undefined) await runOnce();
else await compare();

async function compare() {
  const rounds = Number(values.rounds);
  const root = mkdtempSync(join(values.folder, 'graft-bench-'));
  try {
    if (values.only !== 'resume') await engineRounds(root, rounds);
    if (wants('resume')) resumeRounds(root, rounds);
  } finally {
    rmSync(root, { recursive: true });
  }
}

function wants(what) {
  return values.only === undefined || values.only === what;
}

function least(times) {
  return Math.min(...times);
}

/** The medians, and the least times: those that other work on the machine disturbed the least. */
function report(what, times) {
  const parts = [
    ['median', median],
    ['least', least],
  ].map(([name, of]) => {
    const [without, withDigests] = [of(times.without), of(times.with)];
    const percent = (100 * (withDigests - without)) / without;
    return `${name} ${without.toFixed(3)} s without, ${withDigests.toFixed(3)} s with (${percent < 0 ? '' : '+'}${percent.toFixed(1)} %)`;
  });
  console.log(`${what.padEnd(24)} ${parts.join('; ')}`);
}

/** With and without by turns, in an order that changes. */
async function alternate(rounds, measure) {
  const times = { with: [], without: [] };
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? ['with', 'without'] : ['without', 'with'];
    for (const which of order) {
      const seconds = await measure(which);
      // The first round warms up.
      if (round >= 0) times[which].push(seconds);
    }
  }
  return times;
}

async function timed(action) {
  const began = performance.now();
  await action();
  return (performance.now() - began) / 1000;
}

async function engineRounds(root, rounds) {
  await openEngine({ mode: 'graph' });
  const { parameters } = makeModel(values.size);
  const sources = (prefix) =>
    Object.entries(parameters).map(([name, tensor]) => ({
      name: prefix + name,
      dtype: 'F32',
      shape: tensor.shape,
      data: () => readPieces(tensor),
    }));
  const snapshot = {
    model: { config: {}, tensors: sources('') },
    average: { config: {}, tensors: sources('') },
    optimizer: [...sources('m/'), ...sources('v/')],
    state: {},
  };
  const at = (which) => join(root, which, 'step-1');
  for (const which of ['with', 'without']) mkdirSync(join(root, which));
  const bytes = Object.values(parameters).reduce((sum, { size }) => sum + 16 * size, 0);
  console.log(`${values.size}: ${(bytes / 2 ** 20).toFixed(0)} MiB in ${4 * Object.keys(parameters).length} tensors`);
  if (zlib.crc32) {
    const buffer = Buffer.alloc(64 << 20, 7);
    const seconds = await timed(() => zlib.crc32(buffer));
    console.log(`CRC-32 alone: ${(buffer.length / 2 ** 30 / seconds).toFixed(1)} GiB/s`);
  }

  // Loads need something to load.
  const saves = await alternate(wants('save') ? rounds : 1, (which) => {
    rmSync(at(which), { recursive: true, force: true });
    return timed(() => saveSnapshot(at(which), snapshot, { digests: which === 'with' }));
  });
  if (wants('save')) report('save', saves);
  if (!wants('load')) return;
  for (const cached of [false, true]) {
    const loads = await alternate(rounds, (which) => {
      if (!cached) forget(at(which));
      return timed(() => load(at(which), parameters));
    });
    report(cached ? 'load from the cache' : 'load from the disk', loads);
  }
}

async function load(folder, specs) {
  const parameters = Object.entries(specs).map(([name, { shape }]) => ({ name, shape, dtype: 'float32' }));
  const moments = ['m/', 'v/'].flatMap((prefix) =>
    parameters.map(({ name, ...place }) => ({ ...place, name: prefix + name })),
  );
  const keep = () => Promise.resolve(true);
  tf.dispose([
    await readParameters(folder, { parameters }),
    await readAverage(folder, { parameters }),
    await scatterTensors(folder, 'optimizer', moments, keep),
  ]);
}

/** Takes a folder's files out of the system's cache. */
function forget(folder) {
  for (const name of readdirSync(folder, { recursive: true })) {
    const file = join(folder, name);
    if (statSync(file).isFile())
      spawnSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
  }
}

function resumeRounds(root, rounds) {
  const side = '{ layers: 8, hidden: 512, feedForward: 1024, heads: 8 }';
  writeFileSync(join(root, 'text.txt'), 'once upon a time '.repeat(200));
  const config = join(root, 'config.yaml');
  writeFileSync(
    config,
    `name: resumed
model: { vocabularySize: 32000, encoder: ${side}, decoder: ${side} }
initializer: scratch
objective: { use: prefix-lm }
dataset: { use: text, files: [${root}/text.txt], tokenizer: bytes, lengthTokens: 16 }
optimizer: { use: adamw, learningRate: 0.0001 }
train: { steps: 1, batchSize: 1, averageDecay: 0.9 }
engine: graph
runs: ${root}/runs
`,
  );
  child(config);
  const manifest = join(
    realpathSync(join(root, 'runs', 'resumed', 'latest')),
    'checkpoints',
    'step-1',
    'manifest.json',
  );
  const text = { with: readFileSync(manifest, 'utf8') };
  const sizes = Object.entries(JSON.parse(text.with).files).map(([name, { bytes }]) => [
    name.split(sep).join('/'),
    bytes,
  ]);
  // As it was before there were digests.
  text.without = JSON.stringify({ version: 1, files: Object.fromEntries(sizes) });
  const times = { with: [], without: [] };
  for (const cached of [false, true]) {
    times.with = [];
    times.without = [];
    for (let round = 0; round < rounds; round++) {
      for (const which of round % 2 === 0 ? ['with', 'without'] : ['without', 'with']) {
        writeFileSync(manifest, text[which]);
        if (!cached) forget(join(manifest, '..'));
        const began = performance.now();
        child(config, '--resume');
        times[which].push((performance.now() - began) / 1000);
      }
    }
    report(cached ? 'resume from the cache' : 'resume from the disk', times);
  }
}

function child(config, ...more) {
  const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--run', config, ...more], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error(`A run ended with status ${status}.`);
}

/** Begins a run, which does its one step; or resumes it, and ends, as if killed, when it has done another. */
async function runOnce() {
  const { loadConfig, runExperiment } = await import('@graft/core');
  const { defaultPlugins } = await import('../../packages/cli/dist/default-plugins.js');
  const overrides = values.resume ? ['train.steps=2'] : [];
  const loaded = await loadConfig({ file: values.run, overrides, plugins: defaultPlugins });
  const stop = values.resume ? { resume: true, onStep: () => process.exit(0) } : {};
  await runExperiment(loaded, stop);
}
