import { readHostTensors } from '@graft/checkpoint';
import type { HostArray } from '@graft/core';
import { findNativeLibrary, openEngine, type EngineMode } from '@graft/engine';
import { generate, Generator, loadModel } from '@graft/gemma';
import { join } from 'node:path';
import { generationCase } from './generation-cases';
import { fixture, NATIVE_MODES, PJRT_MODES, QUICK_NATIVE_MODES, readJson, SLOW_PJRT_MODES } from './reference';

/** Row of the inputs, beams, end tokens, length penalty; the sequence up to its end, and its score. */
type SeveralEnds = [
  row: number,
  beams: number,
  eos: number[],
  lengthPenalty: number,
  sequence: number[],
  score: number,
];

test('beam search with several end tokens gives the published ids and scores in all 216 cases', async () => {
  const folder = fixture('generation')!;
  const cases = readJson<SeveralEnds[]>(folder, 'beam-several-eos.json');
  const engine = await openEngine({ mode: 'portable' });
  const { model, parameters, dispose } = await loadModel(fixture('t5gemma-tiny-balanced')!, {
    encoderWindow: 'inclusive',
  });
  const generator = new Generator(engine, model);
  const inputs = await readHostTensors(join(folder, 'inputs-t5gemma-tiny-balanced.safetensors'));
  const rowOf = ({ values, shape: [, width] }: HostArray, row: number): HostArray => ({
    dtype: 'int32',
    shape: [1, width],
    values: Int32Array.from(values.slice(row * width, (row + 1) * width)),
  });
  expect(cases).toHaveLength(216);
  for (const [row, beams, eos, lengthPenalty, sequence, score] of cases) {
    const got = await generator.search(parameters, {
      fields: { input_ids: rowOf(inputs.input_ids, row), attention_mask: rowOf(inputs.attention_mask, row) },
      maxNewTokens: 12,
      eos,
      beams,
      lengthPenalty,
    });
    expect({ row, beams, eos, lengthPenalty, got: [...got.sequences[0]] }).toEqual({
      row,
      beams,
      eos,
      lengthPenalty,
      got: sequence,
    });
    expect(Math.abs(got.scores[0] / score - 1)).toBeLessThan(1e-5);
  }
  generator.dispose();
  dispose();
});

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
  // The slow tests have the engines that compile.
  generationCase('t5gemma-tiny-unbalanced', [...QUICK_NATIVE_MODES, ...SLOW_PJRT_MODES]);
});
