/** Models of later families against the published implementation: shared by the tests of every run and the slow ones. */
import { readHostTensors } from '@graft/checkpoint';
import type { HostArray } from '@graft/core';
import { openEngine, tf, type EngineMode } from '@graft/engine';
import { generate, Generator, loadModel, runForward, type LoadedModel } from '@graft/gemma';
import { join } from 'node:path';
import { expectedTensors, fixture, largestDifference, largestMagnitude, readJson, TOLERANCE } from './reference';

interface Sequences {
  readonly eos_token_id: number | number[];
  readonly sequences: number[][];
}

interface Beams extends Sequences {
  readonly num_beams: number;
  readonly length_penalty: number;
  readonly sequences_scores: number[];
}

type Generation = Readonly<Record<string, Sequences | Beams>> & {
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  readonly max_new_tokens: number;
};

const int32 = (rows: readonly (readonly number[])[]) => ({
  dtype: 'int32' as const,
  shape: [rows.length, rows[0].length],
  values: Int32Array.from(rows.flat()),
});

/** The published decoder-only models shift labels inside; Graft's callers do. */
function shiftedLeft({ dtype, shape, values }: HostArray): HostArray {
  const [rows, length] = shape;
  const shifted = Int32Array.from({ length: rows * length }, (_, i) =>
    i % length === length - 1 ? -100 : values[i + 1],
  );
  return { dtype, shape, values: shifted } as HostArray;
}

/** Runs `body` with a loaded fixture; nothing may be left behind. */
async function withFixture(name: string, body: (loaded: LoadedModel) => Promise<void>): Promise<void> {
  const before = tf.memory().numTensors;
  const loaded = await loadModel(fixture(name)!);
  try {
    expect(loaded.unknownTensors).toEqual([]);
    await body(loaded);
  } finally {
    loaded.dispose();
  }
  expect(tf.memory().numTensors).toBe(before);
}

/** Tests of logits, states, loss and gradients. */
export function forwardCase(name: string, modes: readonly EngineMode[]): void {
  const folder = fixture(name)!;

  test.each(modes)(`logits, loss and gradients of ${name} are the published ones on %s`, async (mode) => {
    const engine = await openEngine({ mode });
    await withFixture(name, async ({ model, parameters }) => {
      const expected = await expectedTensors(folder);
      const gradients = await readHostTensors(join(folder, 'grads.safetensors'));
      const { loss } = readJson<{ loss: number }>(folder, 'expected.json');
      const isPair = model.kind === 'encoder-decoder';
      const got = await runForward({
        engine,
        model,
        parameters,
        inputs: isPair ? expected : { ...expected, labels: shiftedLeft(expected.labels) },
        outputs: ['loss', 'gradients', ...(isPair ? (['encoder'] as const) : [])],
      });
      const mask = isPair ? expected.decoder_attention_mask : expected.attention_mask;
      expect(largestDifference(got.logits, expected.logits, mask)).toBeLessThanOrEqual(TOLERANCE.logits);
      if (isPair) {
        const { encoder_last_hidden_state: states } = expected;
        const difference = largestDifference(got.encoder_last_hidden_state, states, expected.attention_mask);
        expect(difference).toBeLessThanOrEqual(TOLERANCE.states);
      }
      expect(Math.abs(got.loss.values[0] - loss)).toBeLessThanOrEqual(TOLERANCE.loss);
      const names = Object.keys(got).filter((key) => key.startsWith('grad.'));
      expect(names.sort()).toEqual(
        Object.keys(gradients)
          .map((key) => `grad.${key}`)
          .sort(),
      );
      const worst = Math.max(
        ...Object.entries(gradients).map(
          ([key, gradient]) => largestDifference(got[`grad.${key}`], gradient) / largestMagnitude(gradient),
        ),
      );
      expect(worst).toBeLessThanOrEqual(TOLERANCE.gradientOfLargest);
    });
  });
}

/** Tests of greedy ids, and of beam search where the fixture has it. */
export function generationCase(name: string, modes: readonly EngineMode[]): void {
  const expected = readJson<Generation>(fixture(name)!, 'generation.json');
  const fields = { input_ids: int32(expected.input_ids), attention_mask: int32(expected.attention_mask) };
  const maxNewTokens = expected.max_new_tokens;
  const cases = (prefix: string): [string, Sequences | Beams][] =>
    Object.entries(expected).filter(([key]) => key.startsWith(prefix)) as [string, Sequences | Beams][];

  test.each(modes)(`greedy decoding of ${name} gives the published ids on %s, with its cache`, async (mode) => {
    const engine = await openEngine({ mode });
    await withFixture(name, async ({ model, parameters }) => {
      for (const [, { eos_token_id: eos, sequences }] of cases('greedy')) {
        const rows = await generate(engine, model, parameters, { fields, maxNewTokens, eos });
        // Neither the padding in front of a prompt nor that behind a row is a token.
        const tokens = (row: ArrayLike<number>): string =>
          Array.from(row)
            .join(' ')
            .replace(/^(0 )+|( 0)+$/g, '');
        expect(rows.map(tokens)).toEqual(sequences.map(tokens));
      }
    });
  });

  if (cases('beam4').length === 0) return;
  test.each(modes)(`beam search of ${name} gives the published ids and scores on %s`, async (mode) => {
    const engine = await openEngine({ mode });
    await withFixture(name, async ({ model, parameters }) => {
      const generator = new Generator(engine, model);
      for (const [, given] of cases('beam4')) {
        const { eos_token_id: eos, num_beams: beams, length_penalty: lengthPenalty, ...found } = given as Beams;
        const request = { fields, maxNewTokens, eos, beams, lengthPenalty };
        const { sequences, scores } = await generator.search(parameters, request);
        expect(sequences.map((row) => Array.from(row))).toEqual(found.sequences);
        scores.forEach((score, i) => expect(Math.abs(score / found.sequences_scores[i] - 1)).toBeLessThan(1e-5));
      }
      generator.dispose();
    });
  });
}
