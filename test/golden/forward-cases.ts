/** The forward pass of published models: shared by the tests of every run and the slow ones. */
import { readHostTensors } from '@graft/checkpoint';
import { openEngine, tf, type Engine, type EngineMode } from '@graft/engine';
import { loadModel, runForward, type EncoderWindow, type LoadedModel } from '@graft/gemma';
import { join } from 'node:path';
import { describeIf } from '../support';
import {
  expectedTensors,
  fixture,
  largestDifference,
  largestMagnitude,
  MISSING,
  readJson,
  TOLERANCE,
} from './reference';

interface ExpectedLosses {
  loss: number;
  loss_strict_window: number;
}

/** Runs `body` with a loaded fixture and an engine; nothing may be left behind. */
function withModel(
  folder: string,
  mode: EngineMode,
  window: EncoderWindow,
  body: (loaded: LoadedModel, engine: Engine) => Promise<void>,
) {
  return async () => {
    const engine = await openEngine({ mode });
    const before = tf.memory().numTensors;
    const loaded = await loadModel(folder, { encoderWindow: window });
    try {
      await body(loaded, engine);
    } finally {
      loaded.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
  };
}

/** Tests of the inclusive window with gradients and of the strict one without, each on its engines. */
export function encoderDecoderCase(
  name: string,
  { inclusive, strict }: Readonly<Record<'inclusive' | 'strict', readonly EngineMode[]>>,
): void {
  const folder = fixture(name);
  describeIf(folder !== undefined, MISSING, name, () => {
    const losses = (): ExpectedLosses => readJson(folder!, 'expected.json');

    // A table without rows is an error of jest.
    if (inclusive.length > 0)
      test.each(inclusive)(
        'states, logits, loss and gradients are the published ones on %s, inclusive window',
        (mode) =>
          withModel(folder!, mode, 'inclusive', async ({ model, parameters }, engine) => {
            const expected = await expectedTensors(folder!);
            const gradients = await readHostTensors(join(folder!, 'grads.safetensors'));
            const got = await runForward({
              engine,
              model,
              parameters,
              inputs: expected,
              outputs: ['encoder', 'loss', 'gradients'],
            });
            const states = largestDifference(
              got.encoder_last_hidden_state,
              expected.encoder_last_hidden_state,
              expected.attention_mask,
            );
            expect(states).toBeLessThanOrEqual(TOLERANCE.states);
            expect(largestDifference(got.logits, expected.logits, expected.decoder_attention_mask)).toBeLessThanOrEqual(
              TOLERANCE.logits,
            );
            expect(got.loss.shape).toEqual([]);
            expect(Math.abs(got.loss.values[0] - losses().loss)).toBeLessThanOrEqual(TOLERANCE.loss);
            const names = Object.keys(got).filter((key) => key.startsWith('grad.'));
            expect(names.sort()).toEqual(
              Object.keys(gradients)
                .map((key) => `grad.${key}`)
                .sort(),
            );
            for (const [key, gradient] of Object.entries(gradients)) {
              const relative = largestDifference(got[`grad.${key}`], gradient) / largestMagnitude(gradient);
              if (!(relative <= TOLERANCE.gradientOfLargest))
                throw new Error(`The gradient of ${key} is off by ${relative} of its largest value.`);
            }
          })(),
      );

    if (strict.length > 0)
      test.each(strict)('states and loss are the published ones on %s, strict window', (mode) =>
        withModel(folder!, mode, 'strict', async ({ model, parameters }, engine) => {
          const expected = await expectedTensors(folder!);
          const got = await runForward({ engine, model, parameters, inputs: expected, outputs: ['encoder', 'loss'] });
          const reference = expected.encoder_last_hidden_state_strict_window;
          expect(
            largestDifference(got.encoder_last_hidden_state, reference, expected.attention_mask),
          ).toBeLessThanOrEqual(TOLERANCE.states);
          expect(Math.abs(got.loss.values[0] - losses().loss_strict_window)).toBeLessThanOrEqual(TOLERANCE.loss);
        })(),
      );
  });
}

/** A test that labels alone give the published loss, on this engine. */
export function labelsCase(name: string, mode: EngineMode): void {
  const folder = fixture(name);
  describeIf(folder !== undefined, MISSING, name, () => {
    test('decoder inputs built from labels are the published ones', () =>
      withModel(folder!, mode, 'inclusive', async ({ model, parameters }, engine) => {
        const { decoder_input_ids: _ids, ...inputs } = await expectedTensors(folder!);
        const got = await runForward({ engine, model, parameters, inputs, outputs: ['loss'] });
        expect(
          Math.abs(got.loss.values[0] - readJson<ExpectedLosses>(folder!, 'expected.json').loss),
        ).toBeLessThanOrEqual(TOLERANCE.loss);
      })());
  });
}

/** Tests that logits are the published ones on each of these engines. */
export function decoderOnlyCase(
  name: string,
  modes: readonly EngineMode[],
  expectedFile = 'expected.safetensors',
): void {
  const folder = fixture(name);
  describeIf(folder !== undefined, MISSING, name, () => {
    test.each(modes)('logits are the published ones on %s', (mode) =>
      withModel(folder!, mode, 'strict', async ({ model, parameters }, engine) => {
        const expected = await readHostTensors(join(folder!, expectedFile));
        const got = await runForward({ engine, model, parameters, inputs: expected });
        expect(largestDifference(got.logits, expected.logits, expected.attention_mask)).toBeLessThanOrEqual(
          TOLERANCE.logits,
        );
      })(),
    );
  });
}
