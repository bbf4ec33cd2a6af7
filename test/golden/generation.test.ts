import { readHostTensors } from '@graft/checkpoint';
import { findNativeLibrary, openEngine, type EngineMode } from '@graft/engine';
import { generate, loadModel } from '@graft/gemma';
import { join } from 'node:path';
import { generationCase, severalEndsCase } from './generation-cases';
import { fixture, NATIVE_MODES, PJRT_MODES, QUICK_NATIVE_MODES, SLOW_PJRT_MODES } from './reference';

// The slow tests have all cases.
severalEndsCase(3);

describe('sampling', () => {
  test.each(PJRT_MODES)('%s draws the tokens that other engines draw from the same seed', async (mode) => {
    const checkpoint = fixture('t5gemma-tiny-balanced')!;
    const fields = await readHostTensors(join(fixture('generation')!, 'inputs-t5gemma-tiny-balanced.safetensors'));
    const drawn = async (on: EngineMode): Promise<number[][]> => {
      const engine = await openEngine({ mode: on });
      const { model, parameters, dispose } = await loadModel(checkpoint);
      const sampling = { temperature: 1.5, topK: 40, topP: 0.95, seed: 11 };
      const rows = await generate(engine, model, parameters, { fields, maxNewTokens: 12, eos: [], sampling });
      dispose();
      return rows.map((row) => Array.from(row));
    };
    const rows = await drawn(mode);
    expect(new Set(rows.flat()).size).toBeGreaterThan(12);
    expect(rows).toEqual(await drawn((await findNativeLibrary()) ? 'graph' : 'portable'));
  });
});

describe('the published decoding', () => {
  generationCase('t5gemma-tiny-balanced', ['portable', ...NATIVE_MODES, ...PJRT_MODES]);
  // The slow tests have the other engines.
  generationCase('t5gemma-tiny-unbalanced', [
    ...QUICK_NATIVE_MODES.filter((mode) => mode === 'graph'),
    ...SLOW_PJRT_MODES,
  ]);
});
