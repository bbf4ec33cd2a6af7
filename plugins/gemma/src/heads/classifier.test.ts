import { ClassifierRunner, HEAD_BIAS, HEAD_WEIGHT, createRandom, type HostArray, type Parameters } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { ints, numbers, ODD_SIDE, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { GemmaClassifier, type ClassifierConfig } from './classifier';
import {
  isClassifier,
  loadClassifier,
  parseClassifierConfig,
  saveClassifier,
  toClassifierConfig,
} from './classifier-folder';
import type { DecoderOnlyConfig, EncoderDecoderConfig } from '../model/config-types';

const LABELS = ['no', 'yes', 'perhaps'];
const make = (options: Partial<ClassifierConfig> = {}): GemmaClassifier =>
  new GemmaClassifier({
    model: tinyGemma().config as EncoderDecoderConfig,
    task: 'token',
    reads: 'encoder',
    labels: LABELS,
    ...options,
  });

function parametersOf({ parameters }: GemmaClassifier): Parameters {
  return Object.fromEntries(
    parameters.map(({ name, shape }, i) => [
      name,
      tf.tensor(
        numbers(
          i + 1,
          shape.reduce((product, size) => product * size, 1),
        ).map((value) => 0.5 * value),
        [...shape],
      ),
    ]),
  );
}

describe('classifiers', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  test.each(['encoder', 'decoder'] as const)(
    'a token classifier scores the states of the %s, token by token',
    async (reads) => {
      const classifier = make({ reads });
      const parameters = parametersOf(classifier);
      const [ids, mask] = [
        ints([
          [5, 9, 4, 30],
          [11, 6, 0, 0],
        ]),
        ints([
          [1, 1, 1, 1],
          [1, 1, 0, 0],
        ]),
      ];
      const runner = new ClassifierRunner(engine, classifier);
      const { logits, probabilities } = await runner.classify(parameters, { input_ids: ids, attention_mask: mask });
      expect([logits.shape, probabilities.shape]).toEqual([
        [2, 4, 3],
        [2, 4, 3],
      ]);
      const fields = {
        input_ids: tf.tensor(ids.values, [2, 4], 'int32'),
        attention_mask: tf.tensor(mask.values, [2, 4], 'int32'),
      };
      // The decoder reads [start, 5, 9, 4] and [start, 11, 6, pad].
      const states =
        reads === 'encoder'
          ? classifier.model.encode(parameters, fields)
          : classifier.model.decoderStates(parameters, {
              ...fields,
              decoder_input_ids: tf.tensor2d(
                [
                  [2, 5, 9, 4],
                  [2, 11, 6, 0],
                ],
                undefined,
                'int32',
              ),
              decoder_attention_mask: tf.tensor2d(
                [
                  [1, 1, 1, 1],
                  [1, 1, 1, 0],
                ],
                undefined,
                'int32',
              ),
            });
      const [weight, bias] = [
        parameters[HEAD_WEIGHT].arraySync() as number[][],
        Array.from(parameters[HEAD_BIAS].dataSync()),
      ];
      const rows = tf.reshape(states, [8, -1]).arraySync() as number[][];
      rows.forEach((row, at) =>
        weight.forEach((direction, label) => {
          const expected = row.reduce((sum, value, i) => sum + value * direction[i], bias[label]);
          expect(logits.values[3 * at + label]).toBeCloseTo(expected, 4);
        }),
      );
      for (let at = 0; at < 8; at++)
        expect(Array.from(probabilities.values.slice(3 * at, 3 * at + 3)).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      runner.dispose();
      tf.dispose([parameters, fields, states]);
    },
  );

  test('the loss skips ignored labels', () => {
    const classifier = make();
    const logits = tf.tensor3d([
      [
        [1, 2, 3],
        [0, 0, 0],
        [5, 5, 1],
      ],
    ]);
    const loss = classifier.loss(logits, tf.tensor2d([[2, -100, 0]], undefined, 'int32')).dataSync()[0];
    const nll = (row: number[], label: number): number =>
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label];
    expect(loss).toBeCloseTo((nll([1, 2, 3], 2) + nll([5, 5, 1], 0)) / 2, 5);
  });

  test('a row of padding alone and a full row both read an existing position (quirk 10)', async () => {
    const classifier = make({ task: 'sequence', reads: 'decoder' });
    const parameters = parametersOf(classifier);
    const runner = new ClassifierRunner(engine, classifier);
    const { logits } = await runner.classify(parameters, {
      input_ids: ints([
        [0, 0, 0],
        [4, 5, 6],
      ]),
    });
    expect(logits.shape).toEqual([2, 3]);
    expect(logits.values.every(Number.isFinite)).toBe(true);
    runner.dispose();
    tf.dispose(parameters);
  });

  test('a fresh head has the published standard deviation: the initializer range times C^-0.5', () => {
    const model = { ...(tinyGemma().config as EncoderDecoderConfig), initializerRange: 0.3 };
    const labels = Array.from({ length: 400 }, (_, i) => `${i}`);
    const head = make({ model, labels }).freshHead(createRandom(3));
    const weights = Array.from(head[HEAD_WEIGHT].dataSync());
    expect(head[HEAD_WEIGHT].shape).toEqual([400, 20]);
    const deviation = Math.sqrt(weights.reduce((sum, value) => sum + value * value, 0) / weights.length);
    expect(Math.abs(deviation / (0.3 / 20) - 1)).toBeLessThan(0.03);
    expect(new Set(head[HEAD_BIAS].dataSync())).toEqual(new Set([0]));
    tf.dispose(head);
  });

  test('a classifier on the encoder has no decoder parameters, and none has the untied output', () => {
    const names = ({ parameters }: GemmaClassifier): string[] => parameters.map(({ name }) => name);
    expect(names(make()).filter((name) => name.includes('decoder'))).toEqual([]);
    const untied = tinyGemma({ tieOutput: false }).config as EncoderDecoderConfig;
    expect(names(make({ model: untied, reads: 'decoder' }))).not.toContain('lm_head.out_proj.weight');
    expect(names(make()).slice(-2)).toEqual([HEAD_WEIGHT, HEAD_BIAS]);
  });

  test('config.json is read back as it was written, and errors name the wrong field', async () => {
    const { config } = make({ reads: 'decoder' });
    expect(parseClassifierConfig(toClassifierConfig(config), 3)).toEqual(config);
    expect(parseClassifierConfig({ ...toClassifierConfig(config), id2label: undefined }, 2).labels).toEqual([
      'LABEL_0',
      'LABEL_1',
    ]);
    expect(() => parseClassifierConfig(toClassifierConfig(config), 2)).toThrow(
      /"id2label" names 3 classes, but "score.out_proj.weight" has 2/,
    );
    expect(() => parseClassifierConfig({ ...toClassifierConfig(config), architectures: ['T5GemmaModel'] }, 3)).toThrow(
      /"architectures" should hold T5GemmaForSequenceClassification or T5GemmaForTokenClassification, but is \["T5GemmaModel"\]/,
    );
    const classifier = make();
    const parameters = parametersOf(classifier);
    const base = temporaryFolder();
    await saveClassifier(join(base, 'one'), classifier, parameters);
    const loaded = await loadClassifier(join(base, 'one'));
    expect(loaded.classifier.config).toEqual(classifier.config);
    loaded.dispose();
    const wide = make({ labels: ['a', 'b'] });
    const other = { ...parametersOf(wide), ...parameters };
    await expect(saveClassifier(join(base, 'two'), wide, other)).rejects.toThrow(/score\.out_proj\.weight/);
    tf.dispose([parameters, other]);
  });

  describe.each([
    ['gemma2', 'Gemma2ForSequenceClassification'],
    ['gemma3', 'Gemma3TextForSequenceClassification'],
    ['llama', 'LlamaForSequenceClassification'],
    ['qwen3', 'Qwen3ForSequenceClassification'],
  ])('of a decoder-only %s', (family, architecture) => {
    const HEAD = 'score.weight';
    const tokens = { padTokenId: 0, bosTokenId: 2, eosTokenId: 1 };
    // No layer of these has a window, so their config.json keeps none.
    const decoder = { ...ODD_SIDE, ...(family.startsWith('gemma') ? {} : { slidingWindow: undefined }) };
    const { config } = tinyGemma({ kind: 'decoder-only', family, decoder, ...tokens });
    const classifier = make({ model: config, task: 'sequence', reads: 'decoder' });
    const classify = async (parameters: Parameters, ids: HostArray, of = classifier): Promise<HostArray> => {
      const runner = new ClassifierRunner(engine, of);
      const attention_mask = { ...ids, values: Int32Array.from(ids.values, (id) => Number(id !== 0)) };
      const { logits } = await runner.classify(parameters, { input_ids: ids, attention_mask });
      runner.dispose();
      return logits;
    };

    test('the state of the last token counts, whichever side is padded', async () => {
      const parameters = parametersOf(classifier);
      expect([classifier.kind, Object.keys(parameters).at(-1)]).toEqual(['decoder-only', HEAD]);
      expect(Object.keys(parameters)).not.toContain('lm_head.weight');
      const alone = await classify(parameters, ints([[5, 9, 4]]));
      const states = classifier.model.decoderStates(parameters, {
        input_ids: tf.tensor2d([[5, 9, 4]], [1, 3], 'int32'),
      });
      const expected = tf.matMul(tf.reshape(states, [3, -1]).slice([2, 0], [1, -1]), parameters[HEAD], false, true);
      alone.values.forEach((value, label) => expect(value).toBeCloseTo(expected.dataSync()[label], 4));
      const padded = await classify(
        parameters,
        ints([
          [5, 9, 4, 0, 0],
          [0, 0, 5, 9, 4],
        ]),
      );
      for (let i = 0; i < 6; i++) expect(padded.values[i]).toBeCloseTo(alone.values[i % 3], 4);
      tf.dispose([parameters, states, expected]);
    });

    test('its folder is the published one, and is read back', async () => {
      const parameters = parametersOf(classifier);
      const folder = join(temporaryFolder(), 'classifier');
      await saveClassifier(folder, classifier, parameters);
      expect(toClassifierConfig(classifier.config)).toMatchObject({
        architectures: [architecture],
        is_encoder_decoder: false,
        id2label: { 0: 'no', 1: 'yes', 2: 'perhaps' },
      });
      const loaded = await loadClassifier(folder);
      expect([loaded.classifier.config, loaded.unknownTensors]).toEqual([classifier.config, []]);
      const ids = ints([[5, 9, 4]]);
      expect(await classify(loaded.parameters, ids, loaded.classifier)).toEqual(await classify(parameters, ids));
      loaded.dispose();
      tf.dispose(parameters);
    });
  });

  test('a decoder-only model without a pad token classifies one text at a time', async () => {
    const { config } = tinyGemma({ kind: 'decoder-only' });
    const model = { ...config, decoder: { ...config.decoder, padTokenId: null } } as DecoderOnlyConfig;
    const classifier = make({ model, task: 'sequence', reads: 'decoder' });
    const parameters = parametersOf(classifier);
    const runner = new ClassifierRunner(engine, classifier);
    const one = await runner.classify(parameters, { input_ids: ints([[5, 9, 0]]) });
    expect(one.logits.shape).toEqual([1, 3]);
    await expect(runner.classify(parameters, { input_ids: ints([[5], [9]]) })).rejects.toThrow(
      'This classifier has no pad token, so the end of a text cannot be found in a batch of 2 texts.',
    );
    runner.dispose();
    tf.dispose(parameters);
  });

  test('a head without a bias starts with the initializer range itself, as published', () => {
    const { config } = tinyGemma({ kind: 'decoder-only' });
    const labels = Array.from({ length: 400 }, (_, i) => `${i}`);
    const model = { ...config, initializerRange: 0.3 };
    const head = make({ model, task: 'sequence', reads: 'decoder', labels }).freshHead(createRandom(3));
    expect(Object.keys(head)).toEqual(['score.weight']);
    const weights = Array.from(head['score.weight'].dataSync());
    const deviation = Math.sqrt(weights.reduce((sum, value) => sum + value * value, 0) / weights.length);
    expect(Math.abs(deviation / 0.3 - 1)).toBeLessThan(0.03);
    tf.dispose(head);
  });

  test.each([
    ['LlamaForSequenceClassification', 'score.weight', true],
    ['LlamaForTokenClassification', 'score.weight', false],
    ['LlamaForSequenceClassification', 'lm_head.weight', false],
  ])(
    'a Llama whose class is %s, with the tensor %s: a classifier that Graft opens? %s',
    (architecture, name, opens) => {
      const info = {
        name,
        dtype: 'F32',
        shape: [3, 20],
        file: 'model.safetensors',
        offset: 0,
        byteLength: 240,
      } as const;
      const json = { model_type: 'llama', architectures: [architecture] };
      expect(isClassifier(json, { tensors: new Map([[name, info]]) })).toBe(opens);
    },
  );

  test('a classifier without a published format is not written', () => {
    const { config: model } = tinyGemma({ kind: 'decoder-only', family: 'llama' });
    const configOf = (task: 'sequence' | 'token', reads: 'encoder' | 'decoder'): unknown =>
      toClassifierConfig({ model, task, reads, labels: LABELS });
    expect(() => configOf('token', 'decoder')).toThrow('Graft writes no token classifier of a Llama.');
    expect(() => configOf('sequence', 'encoder')).toThrow(
      'There is no published format for a classifier of the encoder of a Llama.',
    );
  });

  test('a language model is not loaded as a classifier', async () => {
    const folder = await writeTiny(join(temporaryFolder(), 'model'), { config: tinyGemma().config });
    await expect(loadClassifier(folder)).rejects.toThrow(
      /model holds no classifier: "score\.out_proj\.weight" is missing/,
    );
  });
});
