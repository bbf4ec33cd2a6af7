/** Greedy decoding and beam search of a published model: shared by the tests of every run and the slow ones. */
import { readHostTensors } from '@graft/checkpoint';
import { openEngine, tf, type EngineMode } from '@graft/engine';
import { generate, Generator, loadModel } from '@graft/gemma';
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
