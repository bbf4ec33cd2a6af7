// How much of UL2's batches is padding, with windows of one length and with `inputTokens`, and which share of them each denoiser has.
//   node test/bench/ul2-padding.mjs [--tokens 1024] [--steps 400] [--batch 8] [--files 'docs/*.md']
import { createComponentFactory, createRandom, Registry, silentLogger } from '@graft/core';
import { BatchLoader } from '@graft/core/internal';
import { plugin as objectives } from '@graft/objectives';
import { plugin as text } from '@graft/text';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    tokens: { type: 'string', default: '1024' },
    steps: { type: 'string', default: '400' },
    batch: { type: 'string', default: '8' },
    files: { type: 'string', default: join('docs', '*.md') },
  },
});
const tokens = Number(options.tokens);
const steps = Number(options.steps);
const batchSize = Number(options.batch);
const registry = new Registry();
for (const plugin of [objectives, text]) registry.register(plugin, 'benchmark');
const components = createComponentFactory(registry, { engine: {}, random: createRandom(0), logger: silentLogger() });
const model = {
  kind: 'encoder-decoder',
  vocabularySize: 2048,
  specialTokens: { pad: 0, start: 2, eos: [1] },
  parameters: [],
  checkpointConfig: {},
};

async function measure(preset, lengths) {
  const objective = await components.create('objective', { use: 'ul2', preset, modeTokens: 'auto', ...lengths });
  const files = resolve(options.files);
  const dataset = await components.create('dataset', { use: 'text', files, tokenizer: 'bytes', lengthTokens: tokens });
  const random = createRandom(1);
  const variantAt = (step) => objective.variantAt?.(step, random.fork('variant'));
  const loader = new BatchLoader({ dataset, objective, model, batchSize, random, step: 0, variantAt });
  const sides = { encoder: { used: 0, all: 0 }, decoder: { used: 0, all: 0 } };
  const shapes = new Set();
  const denoisers = new Map();
  const count = (side, mask) => {
    for (const one of mask.values) sides[side].used += one;
    sides[side].all += mask.values.length;
  };
  const began = performance.now();
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < batchSize; i++) {
      const wanted = objective.exampleTokens({ model, random: random.fork(step + 1), variant: variantAt(step) }, i);
      if (wanted !== undefined) denoisers.set(wanted, (denoisers.get(wanted) ?? 0) + 1);
    }
    const { fields } = await loader.next();
    count('encoder', fields.attention_mask);
    count('decoder', fields.decoder_attention_mask);
    shapes.add(`${fields.input_ids.shape[1]} + ${fields.labels.shape[1]}`);
  }
  const seconds = (performance.now() - began) / 1000;
  await loader.close();
  dataset.dispose?.();
  const share = ({ used, all }) => `${(100 * (1 - used / all)).toFixed(1)} %`;
  const both = { used: sides.encoder.used + sides.decoder.used, all: sides.encoder.all + sides.decoder.all };
  console.log(
    `${preset}, ${JSON.stringify(lengths)}: padding ${share(both)} (encoder ${share(sides.encoder)}, decoder ${share(sides.decoder)}), ` +
      `shapes ${[...shapes].join(', ')}, ${((steps * batchSize) / seconds).toFixed(0)} examples/s`,
  );
  const total = steps * batchSize;
  const list = [...denoisers].sort(([a], [b]) => a - b);
  if (list.length > 0)
    console.log(
      `  examples by tokens of text: ${list.map(([n, c]) => `${n}: ${((100 * c) / total).toFixed(1)} %`).join(', ')}`,
    );
}

for (const preset of ['ul2', 't5gemma2']) {
  await measure(preset, {});
  await measure(preset, { inputTokens: tokens });
}
