/** Greedy decoding and beam search of a published model: shared by the tests of every run and the slow ones. */
import { readHostTensors } from '@graft/checkpoint';
import type { HostArray } from '@graft/core';
import { openEngine, tf, type EngineMode } from '@graft/engine';
import { Generator, loadModel } from '@graft/gemma';
import { join } from 'node:path';
import { describeIf } from '../support';
import { fixture, MISSING, readJson } from './reference';

interface Beams {
  eos_token_id: number;
  num_beams: number;
  length_penalty: number;
  sequences: number[][];
  sequences_scores: number[];
}

interface Greedy {
  eos_token_id: number;
  sequences: number[][];
}

type Expected = Record<
  string,
  { max_new_tokens: number; greedy: Greedy; greedy_eos: Greedy; beam4: Beams; beam4_eos: Beams; beam4_eos_lp0: Beams }
>;

/** Tests that the model of this fixture generates the published ids, on each of these engines. */
export function generationCase(name: string, modes: readonly EngineMode[]): void {
  const checkpoint = fixture(name);
  const folder = fixture('generation')!;
  describeIf(checkpoint !== undefined, MISSING, name, () => {
    const expected = readJson<Expected>(folder, 'expected.json')[name];

    test.each(modes)(
      'greedy decoding gives the published ids on %s, for full, right-padded and left-padded rows',
      async (mode) => {
        const engine = await openEngine({ mode });
        const before = tf.memory().numTensors;
        const { model, parameters, dispose } = await loadModel(checkpoint!, { encoderWindow: 'inclusive' });
        // One for both: each would compile its own programs.
        const generator = new Generator(engine, model);
        try {
          const fields = await readHostTensors(join(folder, `inputs-${name}.safetensors`));
          for (const { eos_token_id: eos, sequences } of [expected.greedy, expected.greedy_eos]) {
            const rows = await generator.generate(parameters, {
              fields,
              maxNewTokens: expected.max_new_tokens,
              eos,
            });
            expect(rows.map((row) => Array.from(row))).toEqual(sequences);
          }
        } finally {
          generator.dispose();
          dispose();
        }
        expect(tf.memory().numTensors).toBe(before);
      },
    );

    test.each(modes)('beam search gives the published ids and scores on %s', async (mode) => {
      const engine = await openEngine({ mode });
      const before = tf.memory().numTensors;
      const { model, parameters, dispose } = await loadModel(checkpoint!, { encoderWindow: 'inclusive' });
      const generator = new Generator(engine, model);
      try {
        const fields = await readHostTensors(join(folder, `inputs-${name}.safetensors`));
        for (const beams of [expected.beam4, expected.beam4_eos, expected.beam4_eos_lp0]) {
          const { sequences, scores } = await generator.search(parameters, {
            fields,
            maxNewTokens: expected.max_new_tokens,
            eos: beams.eos_token_id,
            beams: beams.num_beams,
            lengthPenalty: beams.length_penalty,
          });
          expect(sequences.map((row) => Array.from(row))).toEqual(beams.sequences);
          scores.forEach((score, i) => expect(Math.abs(score / beams.sequences_scores[i] - 1)).toBeLessThan(1e-5));
        }
      } finally {
        generator.dispose();
        dispose();
      }
      expect(tf.memory().numTensors).toBe(before);
    });
  });
}

/** Row of the inputs, beams, end tokens, length penalty; the sequence up to its end, and its score. */
type SeveralEnds = [
  row: number,
  beams: number,
  eos: number[],
  lengthPenalty: number,
  sequence: number[],
  score: number,
];

/** A test of the published beam searches with several end tokens, of which one in this many is searched (1 or 3). */
export function severalEndsCase(oneIn: number): void {
  test(`beam search with several end tokens gives the published ids and scores in ${216 / oneIn} cases`, async () => {
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
    // Three penalties follow one another: with another one for each list of end tokens, none of the lists is left out.
    const some = cases.filter((_, i) => (i + Math.floor(i / 3)) % oneIn === 0);
    expect(some).toHaveLength(216 / oneIn);
    for (const [row, beams, eos, lengthPenalty, sequence, score] of some) {
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
}
