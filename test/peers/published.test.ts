import { readHostTensors, writeCheckpoint, writeHostTensors, type HostTensor } from '@graft/checkpoint';
import { createRandom, fillParameters, type HostArray, type HostFields, type Parameters } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import {
  adaptCheckpoint,
  ClassifierRunner,
  exportEncoder,
  GemmaModel,
  loadAnyModel,
  loadClassifier,
  loadModel,
  modelOptions,
  resolveModelConfig,
  runForward,
  saveClassifier,
  type AnyGemma,
} from '@graft/gemma';
import { ScratchInitializer, scratchOptions } from '@graft/scratch';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';
import { fixture } from '../golden/reference';

const isThere = hasModules('torch', 'transformers', 'safetensors');

const random = createRandom(7);
const ids = (rows: number, length: number): HostArray => ({
  dtype: 'int32',
  shape: [rows, length],
  values: Int32Array.from({ length: rows * length }, () => 3 + random.integer(90)),
});
/** 1 for the first `lengths[row]` tokens of a row. */
const mask = (lengths: readonly number[], length: number): HostArray => ({
  dtype: 'int32',
  shape: [lengths.length, length],
  values: Int32Array.from(lengths.flatMap((own) => Array.from({ length }, (_, i) => Number(i < own)))),
});

describeIf(isThere, "the published implementation is not installed; `npm run test:peers` does it", 'checkpoints of Graft in the published implementation', () => {
  let engine: Engine;
  const base = temporaryFolder();
  beforeAll(async () => {
    engine = await openEngine();
  });

  function python(...args: string[]): void {
    const [script, ...rest] = args;
    const { status, stderr } = spawnSync(PYTHON, [join(__dirname, script), ...rest], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
  }

  async function publishedLogits(folder: string, inputs: HostFields): Promise<HostArray> {
    const [given, output] = [join(base, 'inputs.safetensors'), join(base, 'logits.safetensors')];
    await writeHostTensors(given, inputs as Record<string, HostTensor>);
    python('logits.py', folder, given, output);
    return (await readHostTensors(output)).logits;
  }

  /** Largest difference of the two implementations' logits at positions that are not padding. */
  async function difference(folder: string, inputs: HostFields, seen: HostArray): Promise<number> {
    const theirs = await publishedLogits(folder, inputs);
    const loaded = await loadModel(folder, { encoderWindow: 'inclusive' });
    expect(loaded.unknownTensors).toEqual([]);
    const { logits } = await runForward({ engine, model: loaded.model, parameters: loaded.parameters, inputs });
    loaded.dispose();
    return largestOf(logits, theirs, seen);
  }

  function largestOf(logits: HostArray, theirs: HostArray, seen?: HostArray): number {
    expect(logits.shape).toEqual(theirs.shape);
    const width = logits.shape[logits.shape.length - 1];
    let largest = 0;
    logits.values.forEach((value, i) => {
      if (seen?.values[Math.floor(i / width)] === 0) return;
      const own = Math.abs(value - theirs.values[i]);
      largest = Number.isNaN(own) ? Infinity : Math.max(largest, own);
    });
    return largest;
  }

  const encoderDecoderInputs = (): HostFields => ({
    input_ids: ids(3, 20),
    attention_mask: mask([20, 11, 3], 20),
    decoder_input_ids: ids(3, 9),
    decoder_attention_mask: mask([9, 9, 5], 9),
  });

  test('a balanced pair adapted from a published checkpoint has the same logits there', async () => {
    const out = join(base, 'balanced');
    await adaptCheckpoint({ encoder: fixture('gemma2-tiny')!, out });
    const inputs = encoderDecoderInputs();
    expect(await difference(out, inputs, inputs.decoder_attention_mask)).toBeLessThan(1e-4);
  });

  test('an unbalanced pair from scratch in shards has the same logits there', async () => {
    const side = { layers: 3, hidden: 24, feedForward: 40, heads: 4, keyValueHeads: 2, headDim: 8, slidingWindow: 6 };
    const config = resolveModelConfig(
      modelOptions.parse({ vocabularySize: 96, encoder: side, decoder: { ...side, layers: 2, hidden: 32, heads: 2 } }),
    );
    const out = join(base, 'unbalanced');
    await writeScratch(out, config, 20_000);
    expect(existsSync(join(out, 'model.safetensors.index.json'))).toBe(true);
    const inputs = encoderDecoderInputs();
    expect(await difference(out, inputs, inputs.decoder_attention_mask)).toBeLessThan(1e-4);
  });

  test('a decoder-only model has the same logits there', async () => {
    const decoder = { layers: 3, hidden: 24, feedForward: 40, heads: 4, keyValueHeads: 1, headDim: 6, slidingWindow: 4 };
    const config = resolveModelConfig(modelOptions.parse({ kind: 'decoder-only', vocabularySize: 96, decoder }));
    const out = join(base, 'decoder-only');
    await writeScratch(out, config);
    const seen = mask([17, 8], 17);
    expect(await difference(out, { input_ids: ids(2, 17), attention_mask: seen }, seen)).toBeLessThan(1e-4);
  });

  test.each([
    ['T5GemmaForConditionalGeneration', 'tied', '1GB'],
    ['T5GemmaForConditionalGeneration', 'untied', '40KB'],
    ['Gemma2ForCausalLM', 'tied', '20KB'],
    ['Gemma2ForCausalLM', 'untied', '1GB'],
  ])('%s, %s, in shards of %s, has the same logits after reading and writing', async (architecture, ties, shardSize) => {
    const [theirs, ours] = ['theirs', 'ours'].map((name) => join(base, `${architecture}-${ties}-${name}`));
    python('save.py', architecture, theirs, ties, shardSize);
    expect(existsSync(join(theirs, 'model.safetensors.index.json'))).toBe(shardSize !== '1GB');
    const loaded = await loadModel(theirs);
    await writeParameters(ours, loaded.model, loaded.parameters, 50_000);
    loaded.dispose();
    const inputs = architecture.startsWith('T5')
      ? encoderDecoderInputs()
      : { input_ids: ids(2, 17), attention_mask: mask([17, 8], 17) };
    const seen = 'decoder_attention_mask' in inputs ? inputs.decoder_attention_mask : inputs.attention_mask;
    for (const folder of [theirs, ours]) expect(await difference(folder, inputs, seen)).toBeLessThan(1e-4);
  });

  test.each([
    ['sequence', 'encoder'],
    ['sequence', 'decoder'],
    ['token', 'encoder'],
    ['token', 'decoder'],
  ] as const)('a %s classifier on the %s has the same logits after reading and writing', async (task, reads) => {
    const name = task === 'sequence' ? 'T5GemmaForSequenceClassification' : 'T5GemmaForTokenClassification';
    const [theirs, ours] = ['theirs', 'ours'].map((who) => join(base, `${task}-${reads}-${who}`));
    python('save.py', name, theirs, reads);
    const inputs = { input_ids: ids(3, 20), attention_mask: mask([20, 11, 3], 20) };
    for (let i = 0; i < 60; i++) if (inputs.attention_mask.values[i] === 0) inputs.input_ids.values[i] = 0;
    const loaded = await loadClassifier(theirs, { encoderWindow: 'inclusive' });
    expect(loaded.unknownTensors).toEqual([]);
    expect(loaded.classifier.config).toMatchObject({ task, reads });
    await saveClassifier(ours, loaded.classifier, loaded.parameters);
    const runner = new ClassifierRunner(engine, loaded.classifier);
    const { logits } = await runner.classify(loaded.parameters, inputs);
    runner.dispose();
    loaded.dispose();
    const seen = task === 'token' ? inputs.attention_mask : undefined;
    for (const folder of [theirs, ours])
      expect(largestOf(logits, await publishedLogits(folder, inputs), seen)).toBeLessThan(1e-4);
  });

  describe('an encoder alone', () => {
    const inputs = (): HostFields => ({ input_ids: ids(3, 20), attention_mask: mask([20, 11, 3], 20) });

    async function encoderDifference(folder: string, fields: HostFields, made = folder): Promise<number> {
      const [given, output] = [join(base, 'encoder-inputs.safetensors'), join(base, 'states.safetensors')];
      await writeHostTensors(given, fields as Record<string, HostTensor>);
      python('encoder_states.py', made, given, output);
      const loaded = await loadAnyModel(folder, { encoderWindow: 'inclusive' });
      expect([loaded.model.kind, loaded.unknownTensors]).toEqual(['encoder-only', []]);
      const outputs = await runForward({ ...loaded, engine, inputs: fields });
      loaded.dispose();
      const { states } = await readHostTensors(output);
      return largestOf(outputs.encoder_last_hidden_state, states, fields.attention_mask);
    }

    test('an encoder that Graft exported in shards has the same states there', async () => {
      const side = { layers: 3, hidden: 24, feedForward: 40, heads: 4, keyValueHeads: 2, headDim: 8, slidingWindow: 6 };
      const config = resolveModelConfig(
        modelOptions.parse({ vocabularySize: 96, encoder: side, decoder: { ...side, hidden: 32 } }),
      );
      await writeScratch(join(base, 'whole'), config);
      const out = join(base, 'exported');
      await exportEncoder({ encoder: join(base, 'whole'), out, maxShardBytes: 20_000 });
      expect(existsSync(join(out, 'model.safetensors.index.json'))).toBe(true);
      expect(await encoderDifference(out, inputs())).toBeLessThan(1e-4);
    });

    test('a published encoder, and its copy in a checkpoint of Graft, have the same states there', async () => {
      const folder = join(base, 'theirs-alone');
      expect(await encoderDifference(folder, inputs(), `new:${folder}`)).toBeLessThan(1e-4);
      const loaded = await loadAnyModel(folder);
      const ours = join(base, 'ours-alone');
      await writeParameters(ours, loaded.model, loaded.parameters);
      loaded.dispose();
      expect(await encoderDifference(ours, inputs())).toBeLessThan(1e-4);
    });
  });

  async function writeScratch(folder: string, config: GemmaModel['config'], maxShardBytes?: number): Promise<void> {
    const model = new GemmaModel(config);
    const initializer = new ScratchInitializer(scratchOptions.parse({ std: 0.3 }));
    const parameters: Parameters = await fillParameters(model, initializer, createRandom(1));
    await writeParameters(folder, model, parameters, maxShardBytes);
    tf.dispose(parameters);
  }

  async function writeParameters(
    folder: string,
    model: AnyGemma,
    parameters: Parameters,
    maxShardBytes?: number,
  ): Promise<void> {
    await writeCheckpoint(folder, {
      config: model.checkpointConfig,
      maxShardBytes,
      tensors: model.parameters.map(({ name, shape }) => ({
        name,
        dtype: 'F32',
        shape,
        data: async () => (await parameters[name].data()) as Float32Array,
      })),
    });
  }
});
