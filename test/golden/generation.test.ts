import { readHostTensors } from '@graft/checkpoint';
import { openEngine, tf, type EngineMode } from '@graft/engine';
import { generate, loadModel } from '@graft/gemma';
import { join } from 'node:path';
import { describeIf } from '../support';
import { fixture, MISSING, NATIVE_MODES, readJson } from './reference';

interface Greedy {
  eos_token_id: number;
  sequences: number[][];
}

type Expected = Record<string, { max_new_tokens: number; greedy: Greedy; greedy_eos: Greedy }>;

function generationCase(name: string, modes: readonly EngineMode[]): void {
  const checkpoint = fixture(name);
  const folder = fixture('generation')!;
  describeIf(checkpoint !== undefined, MISSING, name, () => {
    const expected = readJson<Expected>(folder, 'expected.json')[name];

    test.each(modes)(
      '%s: greedy ids, to the end and up to an eos, full, right-padded and left-padded rows',
      async (mode) => {
        const engine = await openEngine({ mode });
        const before = tf.memory().numTensors;
        const { model, parameters, dispose } = await loadModel(checkpoint!, { encoderWindow: 'inclusive' });
        try {
          const fields = await readHostTensors(join(folder, `inputs-${name}.safetensors`));
          for (const { eos_token_id: eos, sequences } of [expected.greedy, expected.greedy_eos]) {
            const rows = await generate(engine, model, parameters, {
              fields,
              maxNewTokens: expected.max_new_tokens,
              eos,
            });
            expect(rows.map((row) => Array.from(row))).toEqual(sequences);
          }
        } finally {
          dispose();
        }
        expect(tf.memory().numTensors).toBe(before);
      },
    );
  });
}

describe('the published greedy decoding', () => {
  generationCase('t5gemma-tiny-balanced', ['portable', ...NATIVE_MODES]);
  generationCase('t5gemma-tiny-unbalanced', NATIVE_MODES);
});
