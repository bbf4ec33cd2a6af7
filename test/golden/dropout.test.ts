/** Dropout where the published layers have it, the same on every engine. */
import type { BatchTensors, DropoutRates, ForwardOptions, Parameters } from '@graft/core';
import { openEngine, random, tf, valueAndGradients, type EngineMode, type RandomKey } from '@graft/engine';
import {
  GemmaClassifier,
  gemmaOf,
  modelOptions,
  resolveAnyConfig,
  type EncoderDecoderConfig,
  type GemmaModel,
} from '@graft/gemma';
import { tinyGemma, tinyParameters } from '../../plugins/gemma/test-support/tiny-gemma';
import { fixture, NATIVE_MODES, readJson } from './reference';

type Site = readonly [module: string, rate: number, shape: readonly number[]];
interface Sites {
  readonly rates: { dropout_rate: number; attention_dropout: number; classifier_dropout_rate: number };
  readonly sites: Readonly<Record<string, readonly Site[]>>;
}

const MODES: readonly EngineMode[] = [...NATIVE_MODES, 'portable'];
const ALL: DropoutRates = { dropout: 0.2, attentionDropout: 0.3, classifierDropout: 0.4 };
/** Windows, several layers, and key heads that serve several query heads. */
const SIDE = { layers: 2, hidden: 12, feedForward: 10, heads: 4, keyValueHeads: 2, headDim: 4, slidingWindow: 3 };

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

const batchOf = (model: GemmaModel, rows: readonly number[] = [0, 1, 2, 3]): BatchTensors =>
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
function lossOf(model: GemmaModel, parameters: Parameters, batch: BatchTensors, options: ForwardOptions): tf.Scalar {
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

const MODELS = {
  'an encoder-decoder': tinyGemma({ decoder: SIDE, encoder: { ...SIDE, layers: 1, hidden: 8 }, ...ALL }),
  'an encoder-decoder with one table': tinyGemma({
    decoder: { ...SIDE, layers: 1 },
    tieEncoderEmbedding: true,
    ...ALL,
  }),
  'a decoder-only model': tinyGemma({ kind: 'decoder-only', decoder: SIDE, attentionDropout: 0.3 }),
};

/** Compiling takes seconds: every engine sees one of the models, the others two that run as they are called. */
const modesOf = (model: GemmaModel): readonly EngineMode[] =>
  model === MODELS['an encoder-decoder'] ? MODES : MODES.filter((mode) => mode === 'eager' || mode === 'portable');

describe('the places of dropout', () => {
  const { rates, sites } = readJson<Sites>(fixture('dropout')!, 'dropout.json');
  const sizes = { layers: 1, hidden: 8, feedForward: 12, heads: 2, keyValueHeads: 2, headDim: 4 };
  const own = {
    dropout: rates.dropout_rate,
    attentionDropout: rates.attention_dropout,
    classifierDropout: rates.classifier_dropout_rate,
  };
  const drawn: [number, readonly number[]][] = [];
  beforeEach(async () => {
    await openEngine({ mode: 'portable' });
    drawn.length = 0;
    const draw = random.dropoutMask.bind(random);
    jest.spyOn(random, 'dropoutMask').mockImplementation((key, shape, rate) => {
      drawn.push([rate, shape]);
      return draw(key, shape, rate);
    });
  });
  afterEach(() => jest.restoreAllMocks());

  const ids = (length: number): tf.Tensor => tf.tensor2d([Array.from({ length }, (_, i) => 3 + i)], undefined, 'int32');
  const options = (): ForwardOptions => ({ training: true, randomKey: random.key(1) });
  const expectSites = (name: string): void =>
    expect(drawn).toEqual(sites[name].map(([, rate, shape]) => [rate, shape]));

  test('T5Gemma drops where the published model does, in the same order', () => {
    const model = tinyGemma({ decoder: sizes, ...own });
    tf.tidy(
      () => void model.forward(tinyParameters(model), { input_ids: ids(6), decoder_input_ids: ids(5) }, options()),
    );
    expectSites('T5GemmaForConditionalGeneration');
  });

  test.each(['decoder', 'encoder'] as const)('a classifier on the %s drops where the published one does', (reads) => {
    const model = tinyGemma({ decoder: sizes, ...own }).config as EncoderDecoderConfig;
    const classifier = new GemmaClassifier({ model, task: 'sequence', reads, labels: ['a', 'b', 'c'] });
    tf.tidy(() => {
      const parameters = Object.fromEntries(
        classifier.parameters.map(({ name, shape }) => [name, tf.ones([...shape])]),
      );
      classifier.logits(parameters, { input_ids: ids(6) }, options());
    });
    expectSites(`T5GemmaForSequenceClassification (encoder-${reads === 'encoder' ? 'only' : 'decoder'})`);
  });

  test('an encoder alone drops where the published encoder does', () => {
    const asked = modelOptions.parse({ kind: 'encoder-only', vocabularySize: 37, encoder: sizes, ...own });
    const model = gemmaOf(resolveAnyConfig(asked));
    tf.tidy(() => {
      const parameters = Object.fromEntries(model.parameters.map(({ name, shape }) => [name, tf.ones([...shape])]));
      model.forward(parameters, { input_ids: ids(6) }, options());
    });
    // A head's place is the head's.
    const places = sites['T5GemmaForSequenceClassification (encoder-only)'].slice(0, -1);
    expect(drawn).toEqual(places.map(([, rate, shape]) => [rate, shape]));
  });

  test('Gemma 2 drops where the published model does', () => {
    const model = tinyGemma({ kind: 'decoder-only', decoder: sizes, attentionDropout: own.attentionDropout });
    tf.tidy(() => void model.forward(tinyParameters(model), { input_ids: ids(6) }, options()));
    expectSites('Gemma2ForCausalLM');
  });

  test('every place draws with its own key in every layer', () => {
    const keys: string[] = [];
    jest.restoreAllMocks();
    const draw = random.dropoutMask.bind(random);
    jest.spyOn(random, 'dropoutMask').mockImplementation((key, shape, rate) => {
      keys.push(key.dataSync().join());
      return draw(key, shape, rate);
    });
    const model = MODELS['an encoder-decoder'];
    tf.tidy(() => void model.forward(tinyParameters(model), batchOf(model), options()));
    expect(keys).toHaveLength(2 + 2 + 4 * 1 + 6 * 2);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('nothing is drawn in an evaluation', () => {
    const model = MODELS['an encoder-decoder'];
    tf.tidy(() => {
      model.forward(tinyParameters(model), batchOf(model), { randomKey: random.key(1) });
      model.forward(tinyParameters(model), batchOf(model));
    });
    expect(drawn).toEqual([]);
  });
});

describe.each(Object.entries(MODELS))('dropout of %s', (_, model) => {
  const known = new Map<EngineMode, Computed>();
  const whole = async (mode: EngineMode): Promise<Computed> => {
    if (!known.has(mode)) known.set(mode, await compute(mode, model));
    return known.get(mode)!;
  };

  test('every engine drops the same activations', async () => {
    for (const mode of modesOf(model)) expectClose(await whole(mode), await whole('portable'));
    const [other, none] = [
      await compute('portable', model, { seed: 6 }),
      await compute('portable', model, { training: false }),
    ];
    const { loss } = await whole('portable');
    expect(Math.abs(other.loss - loss)).toBeGreaterThan(1e-3);
    expect(Math.abs(none.loss - loss)).toBeGreaterThan(1e-3);
  });

  test.each(modesOf(model))('rematerialized blocks give the same gradients on %s', async (mode) => {
    const { constructor, config } = model;
    const again = new (constructor as new (c: object) => GemmaModel)({ ...config, rematerialize: true });
    expectClose(await compute(mode, again), await whole(mode));
  });

  // Parts of the batch are one compiled function, as micro-batches are.
  test.each(modesOf(model).filter((mode) => mode !== 'mixed'))(
    'two halves of a batch drop the same as the whole batch on %s',
    async (mode) => {
      const parts = [
        await compute(mode, model, { rows: [0, 1] }),
        await compute(mode, model, { rows: [2, 3], first: 2 }),
      ];
      const sum = (values: (part: Computed) => number): number => values(parts[0]) + values(parts[1]);
      const expected = await whole(mode);
      const gradients = Object.entries(expected.gradients).map(([name, values]): [string, number[]] => [
        name,
        values.map((_value, i) => sum((part) => part.gradients[name][i])),
      ]);
      expectClose({ loss: sum(({ loss }) => loss), gradients: Object.fromEntries(gradients) }, expected);
    },
  );
});

test('rates of 0 add no operation', async () => {
  const model = MODELS['an encoder-decoder'];
  const mode = NATIVE_MODES.includes('graph') ? 'graph' : 'portable';
  const operations = async (options: ForwardOptions): Promise<number> => {
    const engine = await openEngine({ mode });
    const parameters = tinyParameters(model);
    const batch = batchOf(model);
    const key = random.key(1);
    const fn = engine.jit((own: Parameters, fields: BatchTensors, randomKey: tf.Tensor) =>
      lossOf(model, own, fields, { ...options, randomKey }),
    );
    tf.dispose([fn(parameters, batch, key), parameters, batch, key]);
    fn.dispose();
    return fn.statistics.operations;
  };
  const off = { dropout: 0, attentionDropout: 0, classifierDropout: 0 };
  const evaluating = await operations({});
  expect(await operations({ training: true, dropout: off })).toBe(evaluating);
  if (mode === 'graph') expect(await operations({ training: true })).toBeGreaterThan(evaluating);
});

test('a training pass without a key is refused if the model has dropout', async () => {
  await openEngine({ mode: 'portable' });
  const [dropping, plain] = [MODELS['a decoder-only model'], tinyGemma({ kind: 'decoder-only', decoder: SIDE })];
  tf.tidy(() => {
    const parameters = tinyParameters(plain);
    plain.forward(parameters, batchOf(plain), { training: true });
    expect(() => dropping.forward(parameters, batchOf(plain), { training: true })).toThrow('needs a random key');
  });
});

test.each(MODES)('the mean over many masks is close to 1 on %s', async (mode) => {
  // Of what the head reads: the logits are linear in it.
  const engine = await openEngine({ mode });
  const rate = 0.25;
  const fn = engine.jit((x: tf.Tensor, key: tf.Tensor) => {
    const masks = random.dropoutMask(key as RandomKey, [4000, 8], rate);
    return { mean: tf.mean(tf.mul(x, masks), 0), kept: tf.mean(tf.notEqual(masks, 0).toFloat()) };
  });
  const [x, key] = [tf.ones([1, 8]), random.key(9)];
  const { mean, kept } = fn(x, key);
  for (const value of mean.dataSync()) expect(Math.abs(value - 1)).toBeLessThan(0.05);
  expect(Math.abs(kept.dataSync()[0] - 0.75)).toBeLessThan(0.02);
  tf.dispose([x, key, mean, kept]);
  fn.dispose();
});
