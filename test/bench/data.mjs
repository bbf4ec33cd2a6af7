// The data path: tokens a second by format, and the share of time that a training step waits for its batch.
//   node test/bench/data.mjs [--megabytes 20] [--steps 40] [--rounds 3] [--mode auto] [--formats no] [--waiting no] [--workers no]
// Without --files: the pages that the installed packages bring along, under a vocabulary trained on them.
import { createComponentFactory, createRandom, loadConfig, Registry, runExperiment, silentLogger } from '@graft/core';
import { ItemReader } from '@graft/core/internal';
import { findFiles, plugin as text, trainTokenizer } from '@graft/text';
import { Buffer } from 'node:buffer';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { median } from './statistics.mjs';

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: join('node_modules', '**', '*.md') },
    megabytes: { type: 'string', default: '20' },
    steps: { type: 'string', default: '40' },
    rounds: { type: 'string', default: '3' },
    mode: { type: 'string', default: 'auto' },
    formats: { type: 'string', default: 'yes' },
    waiting: { type: 'string', default: 'yes' },
    workers: { type: 'string', default: 'yes' },
  },
});
const LENGTH = 512;
const BATCH = 8;
const folder = mkdtempSync(join(tmpdir(), 'graft-bench-'));
const at = (name) => join(folder, name);

async function makeFiles() {
  const texts = [];
  let characters = 0;
  for (const { path } of await findFiles(resolve(options.files))) {
    const content = readFileSync(path, 'utf8').replaceAll('\0', '');
    if (content.trim() === '') continue;
    texts.push(content);
    if ((characters += content.length) >= Number(options.megabytes) * 1e6) break;
  }
  const lines = texts.map((content) => JSON.stringify({ text: content })).join('\n');
  const pieces = texts.flatMap((content) => content.match(/[^]{1,600}/gu));
  writeFileSync(at('rows.jsonl'), pieces.map((content) => JSON.stringify({ text: `${content}.` })).join('\n'));
  writeFileSync(at('a.txt'), texts.join('\0'));
  writeFileSync(at('a.txt.gz'), gzipSync(texts.join('\0')));
  writeFileSync(at('a.jsonl'), lines);
  writeFileSync(at('a.jsonl.gz'), gzipSync(lines));
  const columnData = [{ name: 'text', data: texts, type: 'STRING' }];
  writeFileSync(at('a.parquet'), Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 500 })));
  await trainTokenizer(at('tokenizer'), { files: at('a.txt'), vocabularySize: 8000 });
  return { megabytes: characters / 1e6, documents: texts.length };
}

const windows = (use, name, more = {}) => ({
  use,
  files: at(name),
  tokenizer: { use: 'huggingface', path: at('tokenizer') },
  lengthTokens: LENGTH,
  ...more,
});
const documents = { separator: '\0' };
const DATASETS = {
  text: windows('text', 'a.txt', documents),
  'text, gzip': windows('text', 'a.txt.gz', documents),
  'text, packed documents': windows('text', 'a.txt', { ...documents, pack: {} }),
  jsonl: windows('jsonl', 'a.jsonl'),
  'jsonl, gzip': windows('jsonl', 'a.jsonl.gz'),
  parquet: windows('parquet', 'a.parquet'),
};

/**
 * Milliseconds of this thread for a worker's part of a batch of 64, of which it reads the next worker's part as well to compare;
 * `alone`: of a process that reads no more than that part.
 */
async function readShares(spec, alone) {
  const registry = new Registry();
  registry.register(text, 'benchmark');
  const components = createComponentFactory(registry, { engine: {}, random: createRandom(0), logger: silentLogger() });
  const dataset = await components.create('dataset', spec);
  const reader = new ItemReader(
    dataset,
    alone ? { batchSize: 32 } : { batchSize: 64, batchSlice: { rank: 0, count: 2 } },
  );
  // The words of the tokenizer are remembered by then.
  for (let batch = 0; batch < 40; batch++) await reader.next();
  const began = performance.now();
  for (let batch = 0; batch < 100; batch++) await reader.next();
  const milliseconds = (performance.now() - began) / 100;
  dataset.dispose?.();
  return milliseconds;
}

/** One pass, in this thread; the words of the tokenizer are remembered from half a second on. */
async function readAll(spec) {
  const registry = new Registry();
  registry.register(text, 'benchmark');
  const components = createComponentFactory(registry, { engine: {}, random: createRandom(0), logger: silentLogger() });
  const opening = performance.now();
  const dataset = await components.create('dataset', { ...spec, repeat: false });
  const began = performance.now();
  const reader = new ItemReader(dataset, { batchSize: BATCH });
  let rows = 0;
  for (let read = await reader.next(); !('ended' in read); read = await reader.next()) rows += read.items.length;
  const seconds = (performance.now() - began) / 1000;
  dataset.dispose?.();
  return { opening: (began - opening) / 1000, seconds, tokens: rows * LENGTH, fill: dataset.fill };
}

/** Trains a small encoder-decoder; medians over the steps behind the first five. */
async function train(threads, batchSize, model) {
  const metrics = [];
  const value = {
    name: 'bench',
    plugins: ['@graft/gemma', '@graft/scratch', '@graft/objectives', '@graft/optimizers', '@graft/text'],
    engine: options.mode,
    model: { vocabularySize: 8000, decoder: model },
    initializer: { use: 'scratch' },
    objective: 'prefix-lm',
    dataset: DATASETS.text,
    optimizer: { use: 'adamw', learningRate: 0.001 },
    train: { steps: Number(options.steps), batchSize, loader: { threads } },
    runs: at('runs'),
  };
  const loaded = await loadConfig({ value, workingFolder: resolve('.') });
  await runExperiment(loaded, { onStep: (_, line) => metrics.push(line) });
  const some = metrics.slice(5);
  const sum = (key) => some.reduce((total, line) => total + line[key], 0);
  return {
    step: median(some.map(({ seconds }) => seconds)),
    waitShare: sum('waitSeconds') / sum('seconds'),
    tokensPerSecond: median(some.map(({ tokensPerSecond }) => tokensPerSecond)),
  };
}

try {
  const { megabytes, documents: count } = await makeFiles();
  console.log(`${megabytes.toFixed(1)} MB in ${count} documents, vocabulary of 8,000, windows of ${LENGTH} tokens`);
  for (const [name, spec] of options.formats === 'no' ? [] : Object.entries(DATASETS)) {
    const { opening, seconds, tokens, fill } = await readAll(spec);
    console.log(
      `${name}: ${(tokens / seconds / 1e6).toFixed(2)} million tokens/s, opened in ${opening.toFixed(2)} s` +
        (fill === undefined ? '' : `, ${(100 * fill).toFixed(1)} % of places filled`),
    );
  }
  const { lengthTokens, ...rows } = windows('jsonl', 'rows.jsonl');
  const shared = { 'rows of 600 characters': rows, [`windows of ${lengthTokens}`]: DATASETS.text };
  for (const [name, spec] of options.workers === 'no' ? [] : Object.entries(shared)) {
    const [alone, half] = [[], []];
    for (let round = 0; round < Number(options.rounds); round++) {
      alone.push(await readShares(spec, true));
      half.push(await readShares(spec, false));
    }
    const [one, two] = [median(alone), median(half)].map((milliseconds) => `${milliseconds.toFixed(1)} ms`);
    console.log(`${name}: 32 examples take ${one}, a worker's half of 64 ${two}`);
  }
  const models = {
    '2 layers of 64': [4, { layers: 2, hidden: 64, feedForward: 192, heads: 2, keyValueHeads: 1, headDim: 32 }],
    '4 layers of 256': [8, { layers: 4, hidden: 256, feedForward: 768, heads: 4, keyValueHeads: 2, headDim: 64 }],
  };
  for (const [name, [batchSize, model]] of options.waiting === 'no' ? [] : Object.entries(models)) {
    const runs = new Map([0, 1, 2].map((threads) => [threads, []]));
    // By turns, so that whatever else the machine does meets all of them.
    for (let round = 0; round < Number(options.rounds); round++)
      for (const [threads, some] of runs) some.push(await train(threads, batchSize, model));
    for (const [threads, some] of runs) {
      const of = (key) => median(some.map((run) => run[key]));
      console.log(
        `training ${name}, threads ${threads}: waits ${(100 * of('waitShare')).toFixed(2)} % of the time, ` +
          `step ${(1000 * of('step')).toFixed(1)} ms, ${of('tokensPerSecond').toFixed(0)} tokens/s`,
      );
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
