/** Folders of the later families, written by Graft, in the published implementation. */
import { CheckpointReader, readHostTensors, writeCheckpoint, writeHostTensors, type HostTensor } from '@graft/checkpoint';
import { createRandom, fillParameters, type HostArray, type HostFields, type Parameters } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import {
  adaptCheckpoint,
  ClassifierRunner,
  exportEncoder,
  GemmaModel,
  loadAnyModel,
  loadClassifier,
  modelOptions,
  resolveModelConfig,
  runForward,
  saveClassifier,
} from '@graft/gemma';
import { ScratchInitializer, scratchOptions } from '@graft/scratch';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';
import { fixture, largestDifference } from '../golden/reference';

const isThere = hasModules('torch', 'transformers', 'safetensors');
const TOLERANCE = 2e-4;

const random = createRandom(7);
const ids = (rows: number, length: number): HostArray => ({
  dtype: 'int32',
  shape: [rows, length],
  values: Int32Array.from({ length: rows * length }, () => 3 + random.integer(90)),
});
/** The second row ends in padding. */
const mask = (length: number): HostArray => ({
  dtype: 'int32',
  shape: [2, length],
  values: Int32Array.from({ length: 2 * length }, (_, i) => Number(i < 2 * length - 4)),
});

const SIDE = { layers: 7, hidden: 24, feedForward: 40, heads: 4, keyValueHeads: 2, headDim: 8, slidingWindow: 6 };
const LLAMA3 = {
  type: 'llama3',
  factor: 8,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalMaxPositions: 16,
} as const;
const CASES: Readonly<Record<string, object>> = {
  'a Gemma 3 with scaled positions': {
    family: 'gemma3',
    decoder: { ...SIDE, ropeScaling: { type: 'linear', factor: 8 }, finalLogitSoftCap: 9, queryPreAttentionScalar: 11 },
  },
  'an untied Gemma 3 of an irregular pattern': {
    family: 'gemma3',
    tieOutput: false,
    decoder: { ...SIDE, layers: 2, layerTypes: ['full_attention', 'sliding_attention'] },
  },
  'a Llama with scaled positions': { family: 'llama', decoder: { ...SIDE, ropeScaling: LLAMA3, ropeTheta: 5e5 } },
  'an untied Llama': { family: 'llama', tieOutput: false, decoder: SIDE },
  'a Qwen 3 with a window': {
    family: 'qwen3',
    decoder: { ...SIDE, layers: 3, layerTypes: ['full_attention', 'sliding_attention', 'sliding_attention'] },
  },
};

describeIf(isThere, "the published implementation is not installed; `npm run test:peers` does it", 'families of Graft in the published implementation', () => {
  let engine: Engine;
  const base = temporaryFolder();
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  /** The published logits, or the states of an encoder alone. */
  async function published(folder: string, inputs: HostFields, ...options: string[]): Promise<HostArray> {
    const [given, output] = [join(base, 'inputs.safetensors'), join(base, 'logits.safetensors')];
    await writeHostTensors(given, inputs as Record<string, HostTensor>);
    const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'logits.py'), folder, given, output, ...options], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    return (await readHostTensors(output)).logits;
  }

  async function difference(folder: string, inputs: HostFields, seen: HostArray, ...options: string[]): Promise<number> {
    const loaded = await loadAnyModel(folder);
    expect(loaded.unknownTensors).toEqual([]);
    const got = await runForward({ engine, ...loaded, inputs });
    loaded.dispose();
    return largestDifference(got.logits ?? got.encoder_last_hidden_state, await published(folder, inputs, ...options), seen);
  }

  async function written(name: string, model: GemmaModel, parameters: Parameters): Promise<string> {
    const folder = join(base, name);
    await writeCheckpoint(folder, {
      config: model.checkpointConfig,
      tensors: model.parameters.map(({ name: tensor, shape }) => ({
        name: tensor,
        dtype: 'F32',
        shape,
        data: async () => (await parameters[tensor].data()) as Float32Array,
      })),
    });
    tf.dispose(parameters);
    return folder;
  }

  test.each(Object.entries(CASES))('%s has the published logits', async (name, options) => {
    const tokens = { vocabularySize: 96, padTokenId: 0, bosTokenId: 2, eosTokenId: 1 };
    const model = new GemmaModel(resolveModelConfig(modelOptions.parse({ ...tokens, ...options })));
    const initializer = new ScratchInitializer(scratchOptions.parse({ std: 0.3 }));
    const folder = await written(name, model, await fillParameters(model, initializer, createRandom(1)));
    const inputs = { input_ids: ids(2, 17), attention_mask: mask(17) };
    expect(await difference(folder, inputs, mask(17))).toBeLessThanOrEqual(TOLERANCE);
  });

  /** A folder as a run writes it: Graft's config, and what it carries. */
  async function rewritten(name: string, window?: number): Promise<string> {
    const loaded = await loadAnyModel(fixture('t5gemma2-tiny')!);
    const reader = await CheckpointReader.open(fixture('t5gemma2-tiny')!);
    const folder = join(base, name);
    const config = structuredClone(loaded.model.checkpointConfig) as { encoder: { text_config: Record<string, unknown> } };
    if (window !== undefined) config.encoder.text_config.sliding_window = window;
    const tensors = [...reader.tensors.keys()].map((tensor) => reader.source(tensor));
    await writeCheckpoint(folder, { config, tensors });
    await reader.close();
    loaded.dispose();
    return folder;
  }

  const pairInputs = {
    input_ids: ids(2, 15),
    attention_mask: mask(15),
    decoder_input_ids: ids(2, 9),
    decoder_attention_mask: mask(9),
  };

  test('a T5Gemma 2 has the published logits, and its vision tower opens', async () => {
    expect(await difference(await rewritten('t5gemma2'), pairInputs, mask(9))).toBeLessThanOrEqual(TOLERANCE);
  });

  test('a Gemma 3 that was adapted to a T5Gemma 2 has the published logits', async () => {
    const out = join(base, 'adapted');
    await adaptCheckpoint({ encoder: fixture('gemma3-tiny')!, out });
    expect(await difference(out, pairInputs, mask(9), '--without-vision')).toBeLessThanOrEqual(TOLERANCE);
  });

  test.each([
    ['T5Gemma2ForSequenceClassification', 'sequence', 't5gemma2-tiny'],
    ['T5Gemma2ForTokenClassification', 'token', 't5gemma2-tiny'],
    ['Gemma2ForSequenceClassification', 'sequence', 'gemma2-tiny-it'],
    ['Gemma3TextForSequenceClassification', 'sequence', 'gemma3-tiny'],
    ['Gemma3TextForSequenceClassification', 'sequence', 'gemma3-encoder'],
    ['LlamaForSequenceClassification', 'sequence', 'llama-tiny'],
    ['LlamaForSequenceClassification', 'sequence', 'llama-tiny-untied'],
    ['Qwen3ForSequenceClassification', 'sequence', 'qwen3-tiny'],
  ])('%s (%s) of the sizes of %s has the same logits after reading and writing', async (architecture, task, sizes) => {
    const [theirs, ours] = ['theirs', 'ours'].map((name) => join(base, `${architecture}-${sizes}-${name}`));
    const args = [join(__dirname, 'save_classifier.py'), architecture, fixture(sizes)!, theirs];
    expect(spawnSync(PYTHON, args, { encoding: 'utf8' }).status).toBe(0);
    const loaded = await loadClassifier(theirs);
    expect([loaded.classifier.task, loaded.unknownTensors]).toEqual([task, []]);
    // Rows are full, padded behind, and padded in front: pad is 0.
    const texts = ids(3, 11);
    texts.values.fill(0, 11 + 7, 22);
    texts.values.fill(0, 22, 22 + 4);
    const attention_mask = { ...texts, values: texts.values.map((id) => Number(id !== 0)) } as HostArray;
    const inputs = { input_ids: texts, attention_mask };
    const runner = new ClassifierRunner(engine, loaded.classifier);
    const { logits } = await runner.classify(loaded.parameters, inputs);
    runner.dispose();
    await saveClassifier(ours, loaded.classifier, loaded.parameters);
    loaded.dispose();
    const seen = task === 'token' ? attention_mask : undefined;
    // What Graft writes has no vision tower, which text does not read.
    for (const [folder, ...options] of [[theirs], [ours, '--without-vision']])
      expect(largestDifference(logits, await published(folder, inputs, ...options), seen)).toBeLessThanOrEqual(TOLERANCE);
    const again = await loadClassifier(ours);
    expect(again.classifier.config).toEqual(loaded.classifier.config);
    again.dispose();
  });

  test('the encoder of a T5Gemma 2 with an odd window opens as a bidirectional Gemma 3 with the same states', async () => {
    const out = join(base, 'odd');
    const { inexact } = await exportEncoder({ encoder: await rewritten('pair-of-odd', 5), out, dtype: 'float32' });
    expect(inexact).toEqual([]);
    const { input_ids, attention_mask } = pairInputs;
    expect(await difference(out, { input_ids, attention_mask }, attention_mask)).toBeLessThanOrEqual(TOLERANCE);
  });

  test('with an even window it has the same states for sources of half a window', async () => {
    const out = join(base, 'even');
    await exportEncoder({ encoder: await rewritten('pair-of-even', 6), out, dtype: 'float32' });
    const all = { dtype: 'int32', shape: [2, 3], values: new Int32Array(6).fill(1) } as HostArray;
    expect(await difference(out, { input_ids: ids(2, 3), attention_mask: all }, all)).toBeLessThanOrEqual(TOLERANCE);
  });
});
