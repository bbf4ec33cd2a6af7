/** Distillation of whole Gemmas: chunk by chunk it is what it is of all logits at once, of packed rows and in bfloat16 too. */
import { createRandom, uploadBatch, type BatchTensors, type HostFields, type Parameters } from '@graft/core';
import { findNativeLibrary, openEngine, tf, valueAndGradients, type EngineMode, type Precision } from '@graft/engine';
import { PrefixLm, Teacher, type DistillationSettings } from '@graft/objectives';
import { tinyGemma, tinyParameters } from '../../plugins/gemma/test-support/tiny-gemma';

export const BLEND: DistillationSettings = { loss: 'blend', alpha: 0.25, temperature: 2 };
export const GEMMA3: DistillationSettings = { loss: 'gemma3', alpha: 0, temperature: 1, samples: 5 };
/** Windows of 9 tokens, in the second of which two texts stand apart; weights of labels. */
const EXAMPLES: HostFields[] = [
  [3, 14, 15, 9, 26, 5, 35, 8, 7],
  [31, 4, 1, 5, 9, 2, 6, 5, 3],
].map((tokens, row) => ({
  tokens: { dtype: 'int32', shape: [9], values: Int32Array.from(tokens) },
  segments: { dtype: 'int32', shape: [9], values: Int32Array.from(tokens, (_, i) => (row === 1 && i > 4 ? 2 : 1)) },
  weights: { dtype: 'float32', shape: [9], values: Float32Array.from(tokens, (_, i) => (i % 3) / 2 + 0.25) },
}));

/** Tests that chunks change neither the loss nor a gradient, in each of these cases. */
export function chunkCases(cases: readonly (readonly [EngineMode, Precision, DistillationSettings])[]): void {
  let hasLibrary = false;
  beforeAll(async () => void (hasLibrary = (await findNativeLibrary()) !== undefined));

  test.each(cases)('chunks change nothing on %s in %s: %j', async (mode, precision, settings) => {
    if (!hasLibrary && mode !== 'portable') return;
    const engine = await openEngine({ mode });
    const [model, teacher] = [tinyGemma(), tinyGemma({ kind: 'decoder-only' })];
    const [parameters, taught] = [tinyParameters(model), tinyParameters(teacher, 70)];
    const make = (chunkTokens?: number): PrefixLm =>
      new PrefixLm({ split: 'half', padToMultipleOf: 4, chunkTokens }, new Teacher(teacher, taught, settings));
    const batch = uploadBatch(
      make().prepare({ kind: 'examples', examples: EXAMPLES }, { model, random: createRandom(3), step: 0 }),
    );
    const measured = [undefined, 3].map((chunkTokens) => {
      const objective = make(chunkTokens);
      const step = engine.jit(
        (own: Parameters, fields: BatchTensors) =>
          valueAndGradients((p) => {
            const { loss, metrics } = objective.loss(model, p, fields, { training: true });
            return { loss, auxiliary: { divergence: metrics!.divergence } };
          }, own),
        { precision },
      );
      const { loss, gradients, auxiliary } = step(parameters, batch);
      const numbers = Object.fromEntries(
        Object.entries({ ...gradients, loss, ...auxiliary }).map(([name, x]) => [name, Array.from(x.dataSync())]),
      );
      tf.dispose([loss, gradients, auxiliary]);
      step.dispose();
      return numbers;
    });
    const [whole, chunked] = measured;
    expect(whole.divergence[0]).toBeGreaterThan(0.1);
    for (const [name, values] of Object.entries(whole)) {
      const largest = Math.max(...values.map(Math.abs));
      const apart = Math.max(...values.map((value, i) => Math.abs(value - chunked[name][i])));
      // In bfloat16 the same products are rounded the same; sums of the table's gradient are of other parts.
      expect([name, apart < (precision === 'float32' ? 2e-5 : 2e-2) * (0.1 + largest)]).toEqual([name, true]);
    }
    tf.dispose([parameters, taught, batch]);
  });
}
