/** Models with dropout and what engines compute of them: shared by the tests of every run and the slow ones. */
import type { BatchTensors, DropoutRates, ForwardOptions, Parameters } from '@graft/core';
import { openEngine, random, tf, valueAndGradients, type EngineMode } from '@graft/engine';
import type { GemmaModel } from '@graft/gemma';
import { tinyGemma, tinyParameters } from '../../plugins/gemma/test-support/tiny-gemma';
import { NATIVE_MODES } from './reference';

export const MODES: readonly EngineMode[] = [...NATIVE_MODES, 'portable'];
const ALL: DropoutRates = { dropout: 0.2, attentionDropout: 0.3, classifierDropout: 0.4 };
/** Windows, several layers, and key heads that serve several query heads. */
export const SIDE = {
  layers: 2,
  hidden: 12,
  feedForward: 10,
  heads: 4,
  keyValueHeads: 2,
  headDim: 4,
  slidingWindow: 3,
};

const FIELDS: Record<string, readonly number[][]> = {
  input_ids: [
    [5, 6, 7, 8, 9],
    [10, 11, 12, 0, 0],
    [13, 14, 15, 16, 17],
    [18, 19, 20, 21, 0],
  ],
  attention_mask: [
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0],
  ],
  decoder_input_ids: [
    [2, 22, 23],
    [2, 24, 25],
    [2, 26, 0],
    [2, 27, 28],
  ],
  // Two sequences in one row, that do not see each other.
  segment_ids: [
    [1, 1, 1, 2, 2],
    [1, 1, 1, 0, 0],
    [1, 1, 1, 1, 1],
    [1, 2, 2, 2, 0],
  ],
  decoder_segment_ids: [
    [1, 1, 2],
    [1, 1, 1],
    [1, 1, 0],
    [1, 2, 2],
  ],
};

export const batchOf = (model: GemmaModel, rows: readonly number[] = [0, 1, 2, 3]): BatchTensors =>
  Object.fromEntries(
    Object.entries(FIELDS)
      .filter(([name]) => model.kind === 'encoder-decoder' || !name.startsWith('decoder_'))
      .map(([name, values]) => [
        name,
        tf.tensor2d(
          rows.map((row) => values[row]),
          undefined,
          'int32',
        ),
      ]),
  );

/** A scalar of the logits in which each number counts differently, over the rows of the batch. */
export function lossOf(
  model: GemmaModel,
  parameters: Parameters,
  batch: BatchTensors,
  options: ForwardOptions,
): tf.Scalar {
  const { logits } = model.forward(parameters, batch, options);
  const [, length, width] = logits.shape;
  const weights = tf.cos(tf.range(0, length * width)).reshape([1, length, width]);
  return tf.sum(tf.mul(logits, weights));
}

interface Computed {
  readonly loss: number;
  readonly gradients: Record<string, number[]>;
}

async function compute(
  mode: EngineMode,
  model: GemmaModel,
  { rows, first = 0, seed = 5, ...options }: { rows?: number[]; first?: number; seed?: number } & ForwardOptions = {},
): Promise<Computed> {
  const engine = await openEngine({ mode });
  const parameters = tinyParameters(model);
  const batch = batchOf(model, rows);
  const base = random.key([seed, 77]);
  const key = random.atRow(base, first);
  const step = engine.jit((own: Parameters, fields: BatchTensors, randomKey: tf.Tensor) => {
    const { loss, gradients } = valueAndGradients(
      (p) => ({ loss: lossOf(model, p, fields, { training: true, randomKey, ...options }), auxiliary: {} }),
      own,
    );
    return { loss, gradients };
  });
  const { loss, gradients } = step(parameters, batch, key);
  const computed = {
    loss: loss.dataSync()[0],
    gradients: Object.fromEntries(Object.entries(gradients).map(([name, one]) => [name, [...one.dataSync()]])),
  };
  tf.dispose([loss, gradients, parameters, batch, base, key]);
  step.dispose();
  return computed;
}

/** Relative to the largest number of each tensor. */
function expectClose(got: Computed, expected: Computed, tolerance = 2e-4): void {
  const scale = Math.max(1, Math.abs(expected.loss));
  expect(Math.abs(got.loss - expected.loss) / scale).toBeLessThan(1e-5);
  for (const [name, values] of Object.entries(expected.gradients)) {
    const largest = Math.max(...values.map(Math.abs), 1e-3);
    const worst = Math.max(...values.map((value, i) => Math.abs(got.gradients[name][i] - value)));
    if (!(worst / largest < tolerance)) throw new Error(`The gradient of ${name} is off by ${worst} of ${largest}.`);
  }
}

export const MODELS = {
  'an encoder-decoder': tinyGemma({ decoder: SIDE, encoder: { ...SIDE, layers: 1, hidden: 8 }, ...ALL }),
  'an encoder-decoder with one table': tinyGemma({
    decoder: { ...SIDE, layers: 1 },
    tieEncoderEmbedding: true,
    ...ALL,
  }),
  'a decoder-only model': tinyGemma({ kind: 'decoder-only', decoder: SIDE, attentionDropout: 0.3 }),
};

const known = new Map<GemmaModel, Map<EngineMode, Computed>>();

/** Computed once for each model and engine. */
async function whole(mode: EngineMode, model: GemmaModel): Promise<Computed> {
  const own = known.get(model) ?? new Map<EngineMode, Computed>();
  known.set(model, own);
  if (!own.has(mode)) own.set(mode, await compute(mode, model));
  return own.get(mode)!;
}

/** A test that these engines drop what the portable one drops. */
export function engineCases(model: GemmaModel, modes: readonly EngineMode[]): void {
  test('every engine drops the same activations', async () => {
    for (const mode of modes) expectClose(await whole(mode, model), await whole('portable', model));
    const [other, none] = [
      await compute('portable', model, { seed: 6 }),
      await compute('portable', model, { training: false }),
    ];
    const { loss } = await whole('portable', model);
    expect(Math.abs(other.loss - loss)).toBeGreaterThan(1e-3);
    expect(Math.abs(none.loss - loss)).toBeGreaterThan(1e-3);
  });
}

/** Tests of rematerialized blocks, on each of these engines. */
export function rematerializationCases(model: GemmaModel, modes: readonly EngineMode[]): void {
  test.each(modes)('rematerialized blocks give the same gradients on %s', async (mode) => {
    const { constructor, config } = model;
    const again = new (constructor as new (c: object) => GemmaModel)({ ...config, rematerialize: true });
    expectClose(await compute(mode, again), await whole(mode, model));
  });
}

/** Tests of the parts of a batch, on each of these engines. */
export function halvesCases(model: GemmaModel, modes: readonly EngineMode[]): void {
  // Parts of the batch are one compiled function, as micro-batches are.
  test.each(modes)('two halves of a batch drop the same as the whole batch on %s', async (mode) => {
    const parts = [
      await compute(mode, model, { rows: [0, 1] }),
      await compute(mode, model, { rows: [2, 3], first: 2 }),
    ];
    const sum = (values: (part: Computed) => number): number => values(parts[0]) + values(parts[1]);
    const expected = await whole(mode, model);
    const gradients = Object.entries(expected.gradients).map(([name, values]): [string, number[]] => [
      name,
      values.map((_value, i) => sum((part) => part.gradients[name][i])),
    ]);
    expectClose({ loss: sum(({ loss }) => loss), gradients: Object.fromEntries(gradients) }, expected);
  });
}
