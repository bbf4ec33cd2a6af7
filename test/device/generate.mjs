// Greedy generation by a published pair on a device, with weights in bfloat16: tokens a second. A line of JSON a batch.
//   node generate.cjs --size S [--batch 1,8,64] [--source 256] [--tokens 64] [--plugin FILE]
import { parseArgs } from 'node:util';
import { openEngine, packBfloat16 } from '@graft/engine';
import { createRandom } from '@graft/core';
import { Generator } from '@graft/gemma';
import { drawParameters, makeModel } from './model.mjs';

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: 'S' },
    batch: { type: 'string', default: '1,8,64' },
    source: { type: 'string', default: '256' },
    tokens: { type: 'string', default: '64' },
    repeat: { type: 'string', default: '3' },
    plugin: { type: 'string' },
    mode: { type: 'string', default: 'pjrt' },
  },
});

async function main() {
  const engine = await openEngine({ mode: options.mode, plugin: options.plugin, precision: 'bfloat16' });
  const { size, model } = makeModel(options.size);
  const parameters = drawParameters(engine, model, (drawn) => {
    if (drawn.rank !== 2) return drawn;
    const packed = packBfloat16(drawn);
    drawn.dispose();
    return packed;
  });
  const draw = createRandom(1);
  const maxNewTokens = Number(options.tokens);
  for (const batch of options.batch.split(',').map(Number)) {
    const shape = [batch, Number(options.source)];
    const values = Int32Array.from({ length: shape[0] * shape[1] }, () => 3 + draw.integer(size.vocabulary - 3));
    const generator = new Generator(engine, model);
    const seconds = [];
    for (let i = 0; i <= Number(options.repeat); i++) {
      const began = performance.now();
      const fields = { input_ids: { dtype: 'int32', shape, values } };
      const rows = await generator.generate(parameters, { fields, maxNewTokens, eos: [] });
      if (rows.length !== batch || rows[0].length !== 1 + maxNewTokens) throw new Error('rows of another shape');
      seconds.push((performance.now() - began) / 1000);
    }
    generator.dispose();
    const steady = seconds.slice(1).sort((a, b) => a - b);
    const median = steady[Math.floor(steady.length / 2)];
    console.log(
      JSON.stringify({
        kind: 'graft-generate',
        device: engine.description,
        size: options.size,
        batch,
        source: shape[1],
        tokens: maxNewTokens,
        tokens_per_s: (batch * maxNewTokens) / median,
        ms_per_token: (1000 * median) / maxNewTokens,
        first_s: seconds[0],
        peak_gib: (engine.memory().device?.peakBytesInUse ?? NaN) / 2 ** 30,
      }),
    );
  }
}

void main();
