// Adaptation at real scale: random checkpoints with the published shapes in bfloat16 are adapted, every tensor of the
// result is compared with its source by hash, and the speed stands beside `cp` of the same bytes.
//   node test/bench/adapt.mjs [--pairs 2b-2b,9b-2b] [--layers-9b 16] [--folder DIR]
// The 9B side is scaled to fewer layers of its true width, or it would take 45 GB of disk.
import { CheckpointReader, writeCheckpoint } from '@graft/checkpoint';
import { GemmaModel, modelOptions, resolveModelConfig, SIZES } from '@graft/gemma';
import { spawnSync } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './statistics.mjs';

const { values: options } = parseArgs({
  options: {
    pairs: { type: 'string', default: '2b-2b,9b-2b' },
    'layers-9b': { type: 'string', default: '16' },
    folder: { type: 'string', default: tmpdir() },
    rounds: { type: 'string', default: '3' },
  },
});

/** One random chunk, written again and again from another place: drawing gigabytes would take longer than writing them. */
const NOISE = randomFillSync(new Uint8Array((32 << 20) + 4096));

async function makeCheckpoint(folder, name) {
  const layers = name === '9b' ? Number(options['layers-9b']) : SIZES[name].layers;
  const config = resolveModelConfig(modelOptions.parse({ kind: 'decoder-only', preset: name, decoder: { layers } }));
  const model = new GemmaModel(config);
  let turn = 0;
  const tensors = model.parameters.map(({ name: tensor, shape }) => ({
    name: tensor,
    dtype: 'BF16',
    shape,
    async *data() {
      let left = 2 * shape.reduce((product, size) => product * size, 1);
      const from = 2 * (turn++ % 2048);
      for (; left > 0; left -= 32 << 20) yield NOISE.subarray(from, from + Math.min(left, 32 << 20));
    },
  }));
  await writeCheckpoint(join(folder, name), { config: model.checkpointConfig, tensors });
}

/** Runs in a process of its own, so that its peak of memory is its own. */
function adapt(folder, [encoder, decoder], out) {
  const script = `
    const { adaptCheckpoint } = require('@graft/gemma');
    const began = performance.now();
    adaptCheckpoint(${JSON.stringify({ encoder: join(folder, encoder), decoder: join(folder, decoder), out, crossAttention: 'auto' })})
      .then(({ bytes, crossAttention }) => console.log(JSON.stringify({ bytes, crossAttention, seconds: (performance.now() - began) / 1000, peakMiB: process.resourceUsage().maxRSS / 1024 })));`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const hashOf = async (reader, name) => {
  const hash = createHash('sha1');
  for await (const chunk of reader.chunks(name)) hash.update(chunk);
  return hash.digest('hex');
};

/** Every tensor that is not drawn at random against its source. Returns how many were compared. */
async function verify(folder, [encoder, decoder], out) {
  const { mapName } = await import('@graft/gemma');
  const made = await CheckpointReader.open(out);
  const sources = {
    encoder: await CheckpointReader.open(join(folder, encoder)),
    decoder: await CheckpointReader.open(join(folder, decoder)),
  };
  const hashes = new Map();
  let compared = 0;
  for (const name of made.tensors.keys()) {
    const { side, source, cross } = mapName(name);
    if (cross === 'projection' && encoder !== decoder) continue;
    const key = `${side} ${source}`;
    if (!hashes.has(key)) hashes.set(key, await hashOf(sources[side], source));
    if ((await hashOf(made, name)) !== hashes.get(key)) throw new Error(`${name} differs from its source ${key}`);
    compared++;
  }
  for (const reader of [made, ...Object.values(sources)]) await reader.close();
  return compared;
}

/** Takes a folder's files out of the page cache, so that adaptation and cp both read from the disk. */
function evict(folder) {
  spawnSync('sync');
  for (const name of readdirSync(folder)) spawnSync('dd', [`if=${join(folder, name)}`, 'iflag=nocache', 'count=0']);
}

/** Seconds that cp takes for a folder, onto the disk. */
function copy(from, to) {
  const began = performance.now();
  for (const [command, ...args] of [
    ['cp', '-r', from, to],
    ['sync', '-f', to],
  ]) {
    if (spawnSync(command, args).status !== 0) throw new Error(`${command} failed`);
  }
  return (performance.now() - began) / 1000;
}

const folder = mkdtempSync(join(options.folder, 'graft-bench-adapt-'));
try {
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / 1e9;
  if (free < 45) throw new Error(`This benchmark wants 45 GB in ${folder}, of which ${free.toFixed(0)} are free.`);
  const pairs = options.pairs.split(',').map((pair) => pair.split('-'));
  for (const name of new Set(pairs.flat())) await makeCheckpoint(folder, name);
  for (const pair of pairs) {
    const [out, copied] = [join(folder, 'out'), join(folder, 'copied')];
    const own = [];
    const theirs = [];
    let last;
    for (let round = 0; round < Number(options.rounds); round++) {
      rmSync(out, { recursive: true, force: true });
      for (const name of new Set(pair)) evict(join(folder, name));
      last = adapt(folder, pair, out);
      own.push(last.seconds);
      if (round === 0) last.compared = await verify(folder, pair, out);
      evict(out);
      theirs.push(copy(out, copied));
      rmSync(copied, { recursive: true, force: true });
    }
    const bytes = readdirSync(out).reduce((sum, file) => sum + statSync(join(out, file)).size, 0);
    const speed = (seconds) => (bytes / 1e9 / median(seconds)).toFixed(2);
    console.log(
      `adapt ${pair.join('-')}: ${(bytes / 1e9).toFixed(1)} GB at ${speed(own)} GB/s, cp ${speed(theirs)} GB/s, ` +
        `ratio ${(median(theirs) / median(own)).toFixed(2)}, peak ${last.peakMiB.toFixed(0)} MiB, cross-attention ${last.crossAttention}`,
    );
    rmSync(out, { recursive: true, force: true });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
