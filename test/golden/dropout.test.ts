/** Dropout where the published layers have it, the same on every engine. */
import type { BatchTensors, ForwardOptions, Parameters } from '@graft/core';
import { openEngine, random, tf, type RandomKey } from '@graft/engine';
import { GemmaClassifier, gemmaOf, modelOptions, resolveAnyConfig, type EncoderDecoderConfig } from '@graft/gemma';
import { tinyGemma, tinyParameters } from '../../plugins/gemma/test-support/tiny-gemma';
import {
  batchOf,
  engineCases,
  halvesCases,
  lossOf,
  MODELS,
  MODES,
  rematerializationCases,
  SIDE,
} from './dropout-cases';
import { COMPILING_MODES, fixture, NATIVE_MODES, readJson } from './reference';

type Site = readonly [module: string, rate: number, shape: readonly number[]];
interface Sites {
  readonly rates: { dropout_rate: number; attention_dropout: number; classifier_dropout_rate: number };
  readonly sites: Readonly<Record<string, readonly Site[]>>;
}

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
  // Compiling takes seconds: one of the models is compiled once; the slow tests have the others, and its parts.
  const whole = model === MODELS['an encoder-decoder'];
  const quick = MODES.filter((mode) => !COMPILING_MODES.includes(mode));
  engineCases(model, whole ? MODES.filter((mode) => mode !== 'mixed') : quick);
  rematerializationCases(model, quick);
  halvesCases(model, quick);
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
