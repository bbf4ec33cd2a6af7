// Generation, timed: a model of a peers' size with random weights reads its source and writes 64 tokens, greedily.
//   node test/bench/generate.mjs SIZE BATCH [--dtype float32|bfloat16] [--mode auto|xla|graph] [--reps 5] [--new-tokens 64]
// One process a case, so that peak memory means something. Prints one line of JSON.
import { parseArgs } from 'node:util';
import { openEngine, packBfloat16 } from '@graft/engine';
import { Generator } from '@graft/gemma';
import { makeModel } from './model.mjs';
import { median } from './statistics.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    mode: { type: 'string', default: 'auto' },
    dtype: { type: 'string', default: 'float32' },
    reps: { type: 'string', default: '5' },
    'new-tokens': { type: 'string', default: '64' },
    window: { type: 'string', default: '4096' },
  },
});
const [sizeName = 'S', batchText = '1'] = positionals;
const batch = Number(batchText);
const maxNewTokens = Number(values['new-tokens']);
const engine = await openEngine({ mode: values.mode, precision: values.dtype });
const { size, model, parameters } = makeModel(sizeName, { window: Number(values.window) }, { fromHost: true });
if (values.dtype === 'bfloat16') {
  for (const [name, weight] of Object.entries(parameters)) {
    if (weight.rank !== 2) continue;
    parameters[name] = packBfloat16(weight);
    weight.dispose();
  }
}
const weightBytes = Object.values(parameters).reduce((sum, { size: count }) => sum + 4 * count, 0);
const source = {
  dtype: 'int32',
  shape: [batch, size.source],
  values: Int32Array.from({ length: batch * size.source }, () => 3 + Math.floor(Math.random() * (size.vocabulary - 3))),
};
const generator = new Generator(engine, model);
const options = { fields: { input_ids: source }, maxNewTokens, eos: [] };
const times = [];
const firstTokens = [];
for (let i = 0; i <= Number(values.reps); i++) {
  const began = performance.now();
  let first;
  const rows = await generator.generate(parameters, {
    ...options,
    onToken: () => (first ??= performance.now() - began),
  });
  if (rows.length !== batch || rows[0].length !== 1 + maxNewTokens) throw new Error('rows of another shape');
  times.push((performance.now() - began) / 1000);
  firstTokens.push(first / 1000);
}
generator.dispose();
const steady = times.slice(1);
const prefill = median(firstTokens.slice(1));
console.log(
  JSON.stringify({
    kind: 'graft-generate',
    size: sizeName,
    batch,
    dtype: values.dtype,
    executor: engine.executor,
    weightMegabytes: weightBytes / 1e6,
    newTokens: maxNewTokens,
    medianSeconds: median(steady),
    minSeconds: Math.min(...steady),
    firstTokenSeconds: prefill,
    millisecondsPerToken: (1000 * (median(steady) - prefill)) / (maxNewTokens - 1),
    compileSeconds: times[0] - median(steady),
    tokensPerSecond: (batch * maxNewTokens) / median(steady),
    peakResidentGiB: process.resourceUsage().maxRSS / 2 ** 20,
  }),
);
