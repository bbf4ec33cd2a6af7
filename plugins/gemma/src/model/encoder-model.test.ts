import { buildModel, Embedder, runForward, type Model } from '@graft/core';
import { describeSpecialTokens } from '@graft/core/internal';
import { openEngine, tf, type Engine } from '@graft/engine';
import { CheckpointReader } from '@graft/checkpoint';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { ints, numbers, ODD_SIDE, tinyGemma, tinyParameters, writeTiny } from '../../test-support/tiny-gemma';
import { adaptCheckpoint } from '../adapt/adapt-checkpoint';
import { loadClassifier } from '../heads/classifier-folder';
import { encoderOf, readModelConfig, toCheckpointConfig } from './config';
import type { EncoderDecoderConfig } from './config-types';
import { modelCosts } from '../cost/costs';
import { asAnyGemma, GemmaEncoder } from './encoder-model';
import { exportEncoder } from '../adapt/export-encoder';
import { GemmaFamily } from '../family';
import { loadAnyModel, loadModel } from '../load/load-model';
import { asGemma } from './model';
import { modelOptions } from './model-options';
import { parameterSummary } from '../cost/summary';

const whole = tinyGemma({ encoder: { ...ODD_SIDE, hidden: 22, layers: 2 } });
const config = encoderOf(whole.config as EncoderDecoderConfig);
const encoder = new GemmaEncoder(config);
const ids = ints([
  [5, 9, 4, 30, 8, 7],
  [11, 6, 22, 7, 0, 0],
]);
const mask = ints([
  [1, 1, 1, 1, 1, 1],
  [1, 1, 1, 1, 0, 0],
]);
const fields = { input_ids: ids, attention_mask: mask };

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
});

describe('an encoder alone', () => {
  test("an encoder has the parameters and the states of an encoder-decoder's encoder", async () => {
    const parameters = tinyParameters(whole);
    const names = encoder.parameters.map(({ name }) => name);
    expect(names).toEqual(whole.representation.parameters);
    expect(names[0]).toBe('model.encoder.embed_tokens.weight');
    expect(encoder.representation.width).toBe(22);
    const inputs = { ...fields, decoder_input_ids: ints([[2], [2]]) };
    const both = await runForward({ engine, model: whole, parameters, inputs, outputs: ['encoder'] });
    const own = Object.fromEntries(names.map((name) => [name, parameters[name]]));
    const alone = await runForward({ engine, model: encoder, parameters: own, inputs: fields });
    expect(alone).toEqual({ encoder_last_hidden_state: both.encoder_last_hidden_state });
    tf.dispose(parameters);
  });

  test('logits, loss and gradients of an encoder are refused with the reason', async () => {
    const parameters = tinyParameters(encoder as never);
    const outputs = encoder.forward(parameters, { input_ids: tf.tensor2d([[5, 9]], [1, 2], 'int32') });
    expect(outputs.encoderStates!.shape).toEqual([1, 2, 22]);
    expect(() => outputs.logits).toThrow('This model is an encoder alone: it has states, and no logits.');
    expect((encoder as Model).head).toBeUndefined();
    for (const output of ['loss', 'gradients'] as const) {
      const inputs = { ...fields, labels: ids };
      await expect(runForward({ engine, model: encoder, parameters, inputs, outputs: [output] })).rejects.toThrow(
        'A loss or gradients were asked for, but the model is an encoder alone',
      );
    }
    tf.dispose(parameters);
  });

  test('parameters, costs and operations of an encoder are counted', () => {
    const summary = parameterSummary(encoder);
    const ofWhole = parameterSummary(whole);
    expect(summary).toMatchObject({ kind: 'encoder-only', encoder: ofWhole.encoder, decoder: 0, embedding: 37 * 22 });
    expect(Object.keys(summary.sizes)).toEqual(['encoder']);
    const lengths = { sourceLength: 9, targetLength: 5 };
    const [own, all] = [modelCosts(config, lengths), modelCosts(whole.config, lengths)];
    expect(own.parts).toEqual({ encoder: all.parts.encoder });
    expect(encoder.flopsPerStep({ batch: 1, ...lengths })).toBe(3 * 9 * own.parts.encoder!.forwardFlopsPerToken);
  });

  test('an encoder is built from options or a checkpoint, and contradictory options are refused', () => {
    const build = (options: object, checkpoint?: Record<string, unknown>): Model =>
      buildModel(new GemmaFamily(modelOptions.parse(options)), checkpoint);
    const checkpoint = toCheckpointConfig(config);
    expect(build({}, checkpoint)).toMatchObject({ kind: 'encoder-only', config });
    expect(build({ encoderWindow: 'inclusive', rematerialize: 'block' }, checkpoint)).toMatchObject({
      config: { encoderWindow: 'inclusive', rematerialize: true },
    });
    expect(build({ kind: 'encoder-only', preset: 's' }).parameters).toHaveLength(1 + 8 * 11 + 1);
    const wrong: [object, Record<string, unknown> | undefined, RegExp][] = [
      [
        { kind: 'encoder-only' },
        toCheckpointConfig(whole.config),
        /the checkpoint holds a model that is encoder-decoder/,
      ],
      [{ kind: 'encoder-decoder' }, checkpoint, /describes an encoder alone/],
      [{ decoder: ODD_SIDE }, checkpoint, /model.decoder is given, but the model is encoder-only/],
      [{ tieOutput: true }, checkpoint, /model.tieOutput is given, but the model is encoder-only/],
      [{ kind: 'encoder-only', preset: '9b-2b' }, undefined, /names two sides, but the model is encoder-only/],
    ];
    for (const [options, json, message] of wrong) expect(() => build(options, json)).toThrow(message);
  });

  test('an encoder reads no start token, its policy is kept, and a policy for a decoder is refused', () => {
    const family = new GemmaFamily(modelOptions.parse({}));
    const checkpoint = toCheckpointConfig(config);
    expect(describeSpecialTokens(buildModel(family, checkpoint))).toBe(
      'Special tokens: encoder reads no BOS; end 1, pad 0',
    );
    const configured = buildModel(family, checkpoint, { section: { encoder: { bos: true } } });
    expect(describeSpecialTokens(configured)).toMatch(/^Special tokens: encoder reads BOS 2 in front; end/);
    expect(describeSpecialTokens(buildModel(family, configured.checkpointConfig))).toBe(
      describeSpecialTokens(configured),
    );
    expect(configured.checkpointConfig.special_token_policy).toEqual({ encoder: { bos: true, eos: 'auto' } });
    const endless = { ...checkpoint, encoder: { ...(checkpoint.encoder as object), eos_token_id: null } };
    expect(describeSpecialTokens(buildModel(family, endless))).toMatch(/; no end, pad 0$/);
    expect(() => buildModel(family, endless, { section: { encoder: { eos: true } } })).toThrow(
      'specialTokens.encoder.eos is true, but the model has no end token.',
    );
    expect(() => buildModel(family, checkpoint, { section: { decoder: { bos: true } } })).toThrow(
      'specialTokens.decoder is given, but the model is encoder-only and has no decoder.',
    );
  });

  test('asAnyGemma accepts an encoder, and asGemma refuses it', () => {
    expect(asAnyGemma(encoder, 'This')).toBe(encoder);
    expect(asAnyGemma(whole, 'This')).toBe(whole);
    expect(() => asAnyGemma({ ...encoder, config: undefined } as never, 'This')).toThrow(/family "gemma" alone/);
    expect(() => asGemma(encoder, 'This')).toThrow(
      'This works on models that make words, but this one is an encoder alone.',
    );
    expect(() => asGemma(encoder, 'This', 'encoder-decoder')).toThrow(
      'This makes encoder-decoder models, but the config asks for one that is encoder-only.',
    );
  });
});

describe('config.json of an encoder alone', () => {
  const json = toCheckpointConfig(whole.config);
  const { decoder: _decoder, ...lone } = json;
  test.each([
    [{ ...json, architectures: ['T5GemmaEncoderModel'], is_encoder_decoder: false }, 'encoder-only'],
    [{ ...lone, architectures: ['T5GemmaEncoderModel'], is_encoder_decoder: false }, 'encoder-only'],
    [{ ...lone, architectures: undefined, is_encoder_decoder: false }, 'encoder-only'],
    [{ ...json, architectures: ['T5GemmaForTokenClassification'], is_encoder_decoder: false }, 'encoder-only'],
    // The published language model itself sets it to true.
    [{ ...json, is_encoder_decoder: false }, 'encoder-decoder'],
    [{ ...json, architectures: ['T5GemmaModel'] }, 'encoder-decoder'],
  ] as const)('the kind follows from the architecture and is_encoder_decoder (case %#)', (given, kind) => {
    expect(readModelConfig(given).kind).toBe(kind);
  });

  test('the contents of the decoder section are ignored', () => {
    const nonsense = { vocab_size: 256_000, hidden_size: -1, attention_bias: true };
    const given = { ...json, architectures: ['T5GemmaEncoderModel'], is_encoder_decoder: false, decoder: nonsense };
    expect(readModelConfig(given)).toEqual(config);
    expect(readModelConfig(toCheckpointConfig(config))).toEqual(config);
    expect(() => readModelConfig({ ...given, is_encoder_decoder: 'no' })).toThrow(
      '"is_encoder_decoder" should be true or false, but is "no"',
    );
  });
});

describe('exportEncoder', () => {
  const base = temporaryFolder();
  let source: string;
  let exported: string;
  beforeAll(async () => {
    source = await writeTiny(join(base, 'source'), {
      config: { ...whole.config, encoderWindow: 'inclusive' } as EncoderDecoderConfig,
    });
    exported = join(base, 'exported');
    const report = await exportEncoder({ encoder: source, out: exported });
    expect(report).toMatchObject({ tensors: encoder.parameters.length, dtype: 'float32' });
  });

  const embeddings = async (folder: string, pool: 'mean' | 'last'): Promise<ArrayLike<number>> => {
    const loaded = await loadAnyModel(folder);
    const embedder = new Embedder(engine, loaded.model);
    const { values } = await embedder.embed(loaded.parameters, fields, { pool });
    embedder.dispose();
    loaded.dispose();
    return values;
  };

  test.each(['mean', 'last'] as const)('the exported encoder gives the same %s vectors', async (pool) => {
    expect(await embeddings(exported, pool)).toEqual(await embeddings(source, pool));
  });

  test('an export keeps bytes, dtype and window unless others are requested', async () => {
    const reader = await CheckpointReader.open(exported);
    const original = await CheckpointReader.open(source);
    for (const name of reader.tensors.keys())
      expect(await reader.readBytes(name)).toEqual(await original.readBytes(`model.${name}`));
    expect(await reader.config()).toMatchObject({
      architectures: ['T5GemmaEncoderModel'],
      is_encoder_decoder: false,
      dtype: 'float32',
      encoder_window: 'inclusive',
    });
    expect(await reader.config()).not.toHaveProperty('decoder');
    await reader.close();
    await original.close();
    const out = join(base, 'packed');
    await exportEncoder({
      encoder: source,
      out,
      dtype: 'bf16',
      encoderWindow: 'strict',
      encoderAttention: 'causal',
      maxShardBytes: 4000,
    });
    const packed = await CheckpointReader.open(out);
    expect(new Set([...packed.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
    expect(new Set([...packed.tensors.values()].map(({ file }) => file)).size).toBeGreaterThan(1);
    expect(await packed.config()).toMatchObject({
      dtype: 'bfloat16',
      encoder_window: 'strict',
      encoder_attention: 'causal',
    });
    await packed.close();
  });

  test('the export of a model with a shared table contains that table', async () => {
    const tied = tinyGemma({ tieEncoderEmbedding: true });
    const folder = await writeTiny(join(base, 'tied'), { config: tied.config });
    await exportEncoder({ encoder: folder, out: join(base, 'untied') });
    expect(await embeddings(join(base, 'untied'), 'mean')).toEqual(await embeddings(folder, 'mean'));
  });

  test('an interrupted export leaves no partial folder and can be resumed', async () => {
    const out = join(base, 'halted');
    const request = { encoder: source, out, maxShardBytes: 4000 };
    const controller = new AbortController();
    const stopped = exportEncoder({
      ...request,
      signal: controller.signal,
      onProgress: ({ doneBytes, bytes }) => doneBytes > 0.6 * bytes && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'gemma.export-interrupted' });
    await expect(loadAnyModel(out)).rejects.toThrow(/halted/);
    await expect(exportEncoder(request)).rejects.toThrow(/halted\.unfinished holds the unfinished work/);
    await expect(exportEncoder({ ...request, resume: true, dtype: 'bf16' })).rejects.toThrow(/dtype was "float32"/);
    await exportEncoder({ ...request, resume: true });
    expect(await embeddings(out, 'mean')).toEqual(await embeddings(source, 'mean'));
    await expect(exportEncoder(request)).rejects.toThrow(/halted exists already/);
  });

  test('models without an encoder cannot be exported, and an exported encoder is refused where a decoder is needed', async () => {
    const out = join(base, 'never');
    const lone = await writeTiny(join(base, 'lone'), { config: tinyGemma({ kind: 'decoder-only' }).config });
    await expect(exportEncoder({ encoder: lone, out })).rejects.toThrow(/lone is decoder-only and has no encoder/);
    await expect(exportEncoder({ encoder: exported, out })).rejects.toThrow(/exported holds an encoder alone already/);
    await expect(loadModel(exported)).rejects.toThrow(
      /describes an encoder alone, which has no decoder and makes no words/,
    );
    await expect(adaptCheckpoint({ encoder: exported, out })).rejects.toThrow(
      /exported holds an encoder alone; adapting takes decoder-only checkpoints/,
    );
    await expect(loadClassifier(exported)).rejects.toThrow(/holds no classifier/);
  });

  test('a classifier of an encoder opens as an encoder, and its head is named as unknown', async () => {
    const { writeCheckpoint } = await import('@graft/checkpoint');
    const out = join(base, 'classifier');
    const specs = [
      ...encoder.parameters,
      { name: 'score.out_proj.weight', shape: [2, 22] },
      { name: 'score.out_proj.bias', shape: [2] },
    ];
    await writeCheckpoint(out, {
      config: { ...toCheckpointConfig(config), architectures: ['T5GemmaForSequenceClassification'], pad_token_id: 7 },
      tensors: specs.map(({ name, shape }, i) => ({
        name,
        dtype: 'F32' as const,
        shape,
        data: () =>
          numbers(
            i,
            shape.reduce((product, size) => product * size, 1),
          ),
      })),
    });
    const loaded = await loadAnyModel(out);
    expect(loaded.model.kind).toBe('encoder-only');
    expect(loaded.unknownTensors).toEqual(['score.out_proj.weight', 'score.out_proj.bias']);
    loaded.dispose();
    const classifier = await loadClassifier(out);
    // The last token of a text is found with the whole model's pad token.
    expect(classifier.classifier.model.specialTokens.pad).toBe(7);
    expect(classifier.classifier.config.reads).toBe('encoder');
    classifier.dispose();
  });
});
